//! What a job, session or upload has used, as an operator has said where an answer tells it.

use std::borrow::Cow;

use chrono::DateTime;
use serde_json::Value;

use super::declaration::UsageDeclaration;

/// What was used, in the provider's unit, if the answer tells that it is over.
pub fn used(usage: &UsageDeclaration, answer: &Value) -> Option<i64> {
    let amount = amount(usage, answer);
    let Some(status) = &usage.status else { return amount };
    let status = text(answer.pointer(status)?)?;
    let is_one_of = |states: &[String]| states.iter().any(|state| *state == status);
    let free = usage.value.is_none() && usage.from.is_none();
    match amount {
        Some(amount) => (is_one_of(&usage.done) || is_one_of(&usage.failed)).then_some(amount),
        None => (is_one_of(&usage.failed) || free && is_one_of(&usage.done)).then_some(0),
    }
}

fn amount(usage: &UsageDeclaration, answer: &Value) -> Option<i64> {
    let number = match (&usage.value, &usage.from, &usage.until) {
        (Some(value), _, _) => number(answer.pointer(value)?, &usage.suffix)?,
        (None, Some(from), Some(until)) => {
            let time = |pointer: &String| DateTime::parse_from_rfc3339(answer.pointer(pointer)?.as_str()?).ok();
            time(until)?.signed_duration_since(time(from)?).as_seconds_f64()
        }
        _ => return None,
    };
    let amount = number * usage.scale;
    // What is whole but for the error of a multiplication is not rounded up.
    let nearest = amount.round();
    let amount = if (amount - nearest).abs() < 1e-12 * nearest.max(1.0) { nearest } else { amount.ceil() };
    #[expect(clippy::cast_possible_truncation, reason = "whole, finite and below 2^53")]
    (0.0..9e15).contains(&amount).then_some(amount as i64)
}

fn number(value: &Value, suffix: &str) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().strip_suffix(suffix)?.trim_end().parse().ok(),
        value => value.as_f64(),
    }
}

/// A word in an answer, or a number or truth value as it is written.
pub fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(flag) => Some(flag.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared(usage: Value) -> UsageDeclaration {
        serde_json::from_value(usage).unwrap()
    }

    #[test]
    fn numbers_come_in_many_forms() {
        let told = |usage: Value, value: Value| used(&declared(usage), &json!({"t": value}));
        assert_eq!(told(json!({"value": "/t"}), json!(7)), Some(7));
        assert_eq!(told(json!({"value": "/t"}), json!("7.1")), Some(8));
        assert_eq!(told(json!({"value": "/t", "suffix": "s", "scale": 1000}), json!("2.5s")), Some(2500));
        assert_eq!(told(json!({"value": "/t", "suffix": "s", "scale": 1000}), json!("1.001 s")), Some(1001));
        assert_eq!(told(json!({"value": "/t", "scale": 1e-9}), json!(2_000_000_001_u64)), Some(3));
        // Not guessed: another suffix, no number at all.
        for wrong in [json!("1m30s"), json!("2.5"), json!("inf s"), json!("-1s"), json!(null), json!([1])] {
            assert_eq!(told(json!({"value": "/t", "suffix": "s"}), wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn the_state_says_whether_it_is_final() {
        let usage = declared(json!({"value": "/t", "status": "/s", "done": ["ok"], "failed": ["error", "4"]}));
        let told = |answer: Value| used(&usage, &answer);
        assert_eq!(told(json!({"s": "ok", "t": 5})), Some(5));
        assert_eq!(told(json!({"s": "ok"})), None);
        assert_eq!(told(json!({"s": "error", "t": 2})), Some(2));
        assert_eq!(told(json!({"s": 4})), Some(0));
        assert_eq!(told(json!({"s": "running", "t": 5})), None);
        assert_eq!(told(json!({"t": 5})), None);
    }

    #[test]
    fn times_and_what_is_free() {
        let usage = json!({"from": "/a", "until": "/b", "scale": 1000});
        let answer = json!({"a": "2026-01-01T00:00:00Z", "b": "2026-01-01T01:00:01.5+01:00"});
        assert_eq!(used(&declared(usage.clone()), &answer), Some(1500));
        assert_eq!(used(&declared(usage), &json!({"a": "2026-01-01T00:00:00Z", "b": null})), None);
        let free = declared(json!({"status": "/s", "done": ["stopped"]}));
        assert_eq!(used(&free, &json!({"s": "stopped"})), Some(0));
        assert_eq!(used(&free, &json!({"s": "running"})), None);
    }
}
