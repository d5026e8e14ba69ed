//! Tables as text (RFC 4180), for spreadsheets: which must not take a field for a formula.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};

/// The media type.
pub const TYPE: &str = "text/csv; charset=utf-8";

/// Appends one record.
pub fn record<'a>(table: &mut String, fields: impl IntoIterator<Item = Cow<'a, str>>) {
    for (number, field) in fields.into_iter().enumerate() {
        if number > 0 {
            table.push(',');
        }
        write(table, &field);
    }
    table.push_str("\r\n");
}

/// A field that a spreadsheet would calculate gets an apostrophe in front, as their own exports do.
fn write(table: &mut String, field: &str) {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !field.contains([',', '"', '\r', '\n']) {
        table.push_str(field);
        return;
    }
    table.push('"');
    if formula {
        table.push('\'');
    }
    table.push_str(&field.replace('"', "\"\""));
    table.push('"');
}

/// Whether a client would rather have a table than JSON (RFC 9110 §12.5.1).
pub fn is_preferred(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut csv, mut json) = (0.0_f32, 0.0_f32);
    for range in ranges.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse().ok());
        let weight = weight.unwrap_or(1.0);
        match name.as_str() {
            "text/csv" | "text/*" => csv = csv.max(weight),
            "application/json" | "application/*" | "*/*" => json = json.max(weight),
            _ => {}
        }
    }
    csv > json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stay_one_field_and_none_is_a_formula() {
        let mut table = String::new();
        let fields = ["plain", "a,b", "a\"b", "a\r\nb", "=1+1", "+1@x", "-1", "@x", "\t=1", "a=1", ""];
        record(&mut table, fields.map(Cow::from));
        let written = "plain,\"a,b\",\"a\"\"b\",\"a\r\nb\",\"'=1+1\",\"'+1@x\",\"'-1\",\"'@x\",\"'\t=1\",a=1,\r\n";
        assert_eq!(table, written);
    }

    #[test]
    fn a_table_is_for_whoever_asks_for_one() {
        let asks = |accept: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, axum::http::HeaderValue::from_static(value));
            }
            is_preferred(&headers)
        };
        assert!(asks(&["text/csv"]) && asks(&["Text/CSV; charset=utf-8"]) && asks(&["text/csv, */*;q=0.1"]));
        assert!(asks(&["application/json;q=0.5", "text/csv;q=0.9"]));
        for other in ["*/*", "application/json", "application/json, text/csv", "text/html", "text/csv;q=0", ""] {
            assert!(!asks(&[other]), "{other}");
        }
        assert!(!asks(&[]));
    }
}
