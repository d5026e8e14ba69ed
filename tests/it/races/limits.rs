//! Limits raced: what they say is used and promised is what the ledger says, however they are moved meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Twins, rounds};
use crate::support::ledger::{Job, end};
use crate::support::paths;

/// The limits' own figures, and the ledger's for the same windows.
const SUMS: &str = "
    SELECT q.quota_used, q.reserved, coalesce(sum(j.used), 0)::bigint,
           coalesce(sum(j.reserved) FILTER (WHERE j.ended_at IS NULL), 0)::bigint
      FROM quotas q
      LEFT JOIN jobs j ON j.qpu_token_id = q.qpu_token_id AND (q.user_id IS NULL OR j.user_id = q.user_id)
                      AND j.created_at BETWEEN q.starts_at AND q.ends_at
     GROUP BY q.ctid, q.quota_used, q.reserved";

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_set_moved_and_lifted_while_jobs_begin_and_end() {
    let twins = Twins::start().await;
    let app = &twins.app;
    let token = app.token(&app.root, "one", "secret").await;
    let people = [app.member(&app.root, "ada").await, app.member(&app.root, "ida").await];
    let now = app.clock.now();
    let booked = Arc::new(AtomicUsize::new(0));

    let mut running = Vec::new();
    for (number, person) in people.iter().enumerate() {
        for worker in 0..2 {
            let (database, user, token) = (app.database.clone(), person.id.clone(), token.clone());
            let (root, booked) = (app.root.clone(), Arc::clone(&booked));
            running.push(tokio::spawn(async move {
                for round in 0..i64::try_from(rounds()).unwrap() * 8 {
                    // In one or the other window of the limits that come and go.
                    let at = now + TimeDelta::days((round + worker) % 2 * 10) + TimeDelta::hours(1);
                    let reserved = 3 + round % 5;
                    let (token, user, organization) = (token.as_str(), user.as_str(), Some(root.as_str()));
                    let job = Job { token, secret_version: 1, user, organization, reserved, at };
                    // Refused outside of the window that is set at the moment.
                    let Ok(id) = job.reserve(&database).await else { continue };
                    // Whoever learns it first books it.
                    let figure = (round % 4 != 0).then_some(round % 7);
                    let (one, two) = tokio::join!(end(&database, id, figure, at), end(&database, id, figure, at));
                    assert!(one != two, "booked once");
                    booked.fetch_add(1, Ordering::Relaxed);
                    if round % 3 == 0 {
                        job.reserve(&database).await.ok();
                    }
                }
            }));
        }
        let (admin, path) = (
            twins.at(&app.admin, number),
            match number {
                0 => paths::quota(&app.root, &token),
                _ => paths::user_quota(&app.root, &token, &person.id),
            },
        );
        running.push(tokio::spawn(async move {
            for round in 0..rounds() * 8 {
                let (start, end) = match round % 3 {
                    0 => (now - TimeDelta::days(1), now + TimeDelta::days(1)),
                    1 => (now + TimeDelta::days(9), now + TimeDelta::days(11)),
                    _ => (now - TimeDelta::days(1), now + TimeDelta::days(11)),
                };
                let window = json!({"quota": 1_000_000, "start": start, "end": end});
                let answer = match round % 5 {
                    4 => admin.delete(&path).await,
                    3 => admin.patch(&path, &window).await,
                    _ => admin.put(&path, &window).await,
                };
                assert!([200, 204, 404].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.text);
            }
            let all = json!({"quota": 1_000_000, "start": now, "end": now + TimeDelta::days(11)});
            admin.put(&path, &all).await.expect(200);
        }));
    }
    for task in running {
        task.await.unwrap();
    }
    assert!(booked.load(Ordering::Relaxed) > 0, "some jobs were let in");
    let limits: Vec<(i64, i64, i64, i64)> = sqlx::query_as(SUMS).fetch_all(&app.database).await.unwrap();
    assert_eq!(limits.len(), 2);
    for (used, reserved, really_used, really_reserved) in limits {
        assert_eq!((used, reserved), (really_used, really_reserved));
        assert!(used > 0 && reserved > 0, "something was counted: {used} {reserved}");
    }
    let told = app.admin.get(&paths::quota(&app.root, &token)).await.expect(200);
    assert_ne!((&told["quota_used"], &told["reserved"]), (&Value::from(0), &Value::from(0)));
}
