//! A provider that names jobs as it likes: hostile names, somebody else's, too few, too many.

use serde_json::{Value, json};

use crate::support::lab::{Lab, expect_error};
use crate::support::upstream::Reply;

async fn lab() -> Lab {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    lab
}

/// With a limit of the organization.
async fn limited() -> Lab {
    let lab = Lab::start(|_| Reply::json(200, &json!([{"id": "mine"}]))).await;
    lab.limit(None, 1_000_000).await;
    assert_eq!(lab.submit(&lab.key).await, "mine");
    lab
}

/// What cannot be asked for again is not taken for a job; nothing stays reserved, and nothing is asked for with it.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_none() {
    let lab = limited().await;
    let long = "x".repeat(100_000);
    let names = [
        "",
        ".",
        "..",
        "../../leap/api",
        "a/../../b",
        "%2e%2e",
        "a b",
        "a\nb",
        "a\0b",
        "\u{e9}",
        "a?b",
        "a#b",
        "a\\b",
        &long,
        "' OR 1=1 --\u{7f}",
    ];
    let odd = [Value::Null, json!(7), json!({"id": "x"}), json!(["x"]), json!(true)];
    let odd: Vec<Value> = names.iter().map(|name| json!(name)).chain(odd).collect();
    for id in &odd {
        lab.upstream.always(Reply::json(
            200,
            &json!([{"id": id, "status": "COMPLETED", "answer": {"timing": {"qpu_access_time": 5}}}]),
        ));
        expect_error(&lab.ask("POST", "problems/", "[{}]").await, 424, "submission_not_named");
    }
    let taken = i64::try_from(odd.len()).unwrap() * 100;
    assert_eq!(
        lab.limits().await,
        [(taken, 100)],
        "it counts as reserved, and only the first job is promised anything"
    );
}

/// PostgreSQL would refuse a text with NUL, and with it all that is asked in the same statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_nul_is_no_job() {
    let lab = lab().await;
    expect_error(&lab.ask("GET", "problems/?id=%00", "").await, 404, "not_found");
    expect_error(&lab.ask("GET", "problems/?id=mine,a%00b", "").await, 404, "not_found");
    expect_error(&lab.ask("DELETE", "problems/", "[\"a\\u0000\"]").await, 404, "not_found");
    lab.upstream.always(Reply::json(200, &json!([{"id": "a\0b"}, {"id": "mine"}])));
    let listed = lab.ask("GET", "problems/", "").await;
    assert_eq!((listed.status(), listed.json()), (200, json!([{"id": "mine"}])));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_may_not_be_right() {
    let lab = lab().await;
    for (answer, open) in [
        (json!([]), 0),
        (json!([{"id": "a1"}]), 1),
        (json!([{"id": "b1"}, {"id": "b2"}, {"id": "b3"}, {"id": "b4"}]), 3),
        (json!([{"id": "c1"}, {"id": "c1"}, {"id": "c1"}]), 1),
        (json!([{"error_code": 400}, {"id": "d2"}, {"error_code": 400}]), 1),
        (json!({"id": "e1"}), 1),
        (json!("f1"), 0),
        (json!(null), 0),
        (json!([["g1"], 7, "g2"]), 0),
    ] {
        let before = lab.states().await.iter().filter(|state| *state == "open").count();
        lab.upstream.always(Reply::json(200, &answer));
        let expected = if open == 0 { 424 } else { 200 };
        assert_eq!(lab.ask("POST", "problems/", "[{}, {}, {}]").await.status(), expected, "{answer}");
        let states = lab.states().await;
        assert!(!states.iter().any(|state| state == "reserved"), "{answer}: {states:?}");
        assert_eq!(states.iter().filter(|state| *state == "open").count() - before, open, "{answer}");
    }
    // What is more than was submitted is nobody's.
    assert_eq!(lab.ask("GET", "problems/b4/", "").await.status(), 404);
}

/// A name that somebody else's job has stays theirs: neither the answer nor the job is given away, and what else was taken in
/// the same breath stays a job.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_name_gives_nothing_away() {
    let lab = limited().await;
    let (_, bobs_key) = lab.somebody(&lab.app.root, "bob").await;
    lab.upstream.always(Reply::json(200, &json!([{"id": "bobs"}, {"id": "mine", "answer": {"private": "of Ada"}}])));
    let answer = lab.ask_with(&bobs_key, "POST", "problems/", "[{}, {}]").await;
    expect_error(&answer, 404, "not_found");
    assert!(!answer.text().contains("of Ada"), "{answer:?}");
    assert_eq!(lab.ask_with(&bobs_key, "GET", "problems/mine/", "").await.status(), 404);
    assert_eq!(lab.ask_with(&bobs_key, "GET", "problems/bobs/", "").await.status(), 200, "it was taken, and costs");
    assert_eq!(lab.ask("GET", "problems/bobs/", "").await.status(), 404);
    assert_eq!(lab.states().await, ["expired", "open", "open"]);
    assert_eq!(lab.limits().await, [(0, 200)]);
}

/// A provider that recognizes a repeated request gives the same name again: one job, one booking.
#[tokio::test(flavor = "multi_thread")]
async fn the_own_name_again_is_the_same_job() {
    let lab = limited().await;
    let told = json!([{"id": "mine", "status": "COMPLETED", "answer": {"timing": {"qpu_access_time": 7.5}}}]);
    lab.upstream.always(Reply::json(200, &told));
    for _ in 0..3 {
        assert_eq!(lab.ask("POST", "problems/", "[{}]").await.json(), told);
    }
    assert_eq!(lab.limits().await, [(7500, 0)]);
}

/// Figures that are none are not booked; what a list tells of others' jobs is not shown.
#[tokio::test(flavor = "multi_thread")]
async fn figures_and_lists_may_be_nonsense() {
    let lab = limited().await;
    for time in [json!(-1), json!(1e300), json!("5"), json!(null), json!([5]), json!({}), json!(9.1e12)] {
        let told = json!({"id": "mine", "status": "COMPLETED", "answer": {"timing": {"qpu_access_time": time}}});
        lab.upstream.always(Reply::json(200, &told));
        assert_eq!(lab.ask("GET", "problems/mine/", "").await.status(), 200);
        assert_eq!(lab.limits().await, [(0, 100)], "{time}");
    }
    for (listed, shown) in [
        (json!([{"id": "mine"}, {"id": "foreign"}, {"id": 7}, "mine", null, ["mine"]]), Some(json!([{"id": "mine"}]))),
        (json!([]), Some(json!([]))),
        (json!({"id": "mine"}), None),
        (json!("mine"), None),
        (json!(null), None),
    ] {
        lab.upstream.always(Reply::json(200, &listed));
        let answer = lab.ask("GET", "problems/?id=mine", "").await;
        match shown {
            Some(shown) => assert_eq!((answer.status(), answer.json()), (200, shown)),
            None => expect_error(&answer, 502, "provider_not_understood"),
        }
    }
    lab.upstream.always(Reply::with(200, "", "<html>"));
    expect_error(&lab.ask("GET", "problems/", "").await, 502, "provider_not_understood");
    lab.upstream.always(Reply::json(500, &json!([{"id": "foreign"}])));
    assert_eq!(lab.ask("GET", "problems/", "").await.status(), 500, "an error is no list");
}
