//! Leases raced: one is redeemed once, and what is revoked, removed or switched off first gives nothing.

use serde_json::{Value, json};

use super::{Request, Twins, one_wins, race, rounds};
use crate::support::{Caller, paths};

const REDEEM: &str = "/v1/leases/redeem";

/// A token of the root's, and two solvers.
struct Leased {
    twins: Twins,
    token: String,
    solvers: [Caller; 2],
}

impl Leased {
    async fn new() -> Self {
        let twins = Twins::start().await;
        let app = &twins.app;
        let token = app.token(&app.root, "one", "secret").await;
        let solver = async |name: &str| app.member_with_role(&app.root, name, "solver").await;
        let solvers = [solver("solver").await, solver("other-solver").await];
        Self { twins, token, solvers }
    }

    async fn make(&self, maker: &Caller) -> Value {
        maker.post(&paths::leases(&self.twins.app.root, &self.token), &json!({})).await.expect(201)
    }

    fn redeem(lease: &Value) -> Request {
        Request::Post(REDEEM.to_owned(), json!({"lease": lease["lease"]}))
    }

    /// How many leases have been redeemed, and how many entries of the ledger there are for them.
    async fn redeemed(&self) -> (i64, i64) {
        let count = "SELECT (SELECT count(*) FROM leases WHERE redeemed_at IS NOT NULL),
                            (SELECT count(*) FROM jobs WHERE kind = 'lease' AND state = 'open')";
        sqlx::query_as(count).fetch_one(&self.twins.app.database).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lease_is_redeemed_once() {
    let leased = Leased::new().await;
    let twins = &leased.twins;
    let ada = twins.app.member(&twins.app.root, "ada").await;
    for round in 1..=i64::try_from(rounds()).unwrap() {
        let lease = leased.make(&ada).await;
        let contender = |number: usize| (twins.at(&leased.solvers[number / 2], number), Leased::redeem(&lease));
        let answers = race((0..4).map(contender).collect()).await;
        one_wins(&answers, 200, 422, "invalid_lease");
        assert_eq!(leased.redeemed().await, (round, round));
    }
}

/// Two figures for one lease, and one job's name for two leases: one of each is taken.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_is_reported_once() {
    let leased = Leased::new().await;
    let twins = &leased.twins;
    let ada = twins.app.member(&twins.app.root, "ada").await;
    let solver = &leased.solvers[0];
    let report = |lease: &Value, used: usize, job: &str| {
        let path = format!("/v1/leases/{}/usage", lease["id"].as_str().unwrap());
        Request::Post(path, json!({"used": used, "job_id": job}))
    };
    for round in 0..rounds() {
        let [one, two] = [leased.make(&ada).await, leased.make(&ada).await];
        for lease in [&one, &two] {
            Leased::redeem(lease).send(solver).await.expect(200);
        }
        let name = format!("job {round}");
        let contender = |number: usize| (twins.at(solver, number), report(&one, number, &name));
        one_wins(&race((0..6).map(contender).collect()).await, 200, 409, "usage_reported");
        let answer = report(&two, 1, &name).send(solver).await;
        answer.expect_problem(409, "job_reported");
        report(&two, 1, &format!("other {round}")).send(solver).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_leases_of_one_token_are_redeemed_together() {
    let leased = Leased::new().await;
    let twins = &leased.twins;
    let app = &twins.app;
    let (ada, ida) = (app.member(&app.root, "ada").await, app.member(&app.root, "ida").await);
    let quota = paths::quota(&app.root, &leased.token);
    for _ in 0..rounds() {
        app.admin.put(&quota, &json!({"quota": 1_000_000_000_000_i64})).await.expect(200);
        let mut contenders = Vec::new();
        for number in 0..6 {
            let lease = leased.make(if number % 3 == 0 { &ida } else { &ada }).await;
            contenders.push((twins.at(&leased.solvers[number % 2], number), Leased::redeem(&lease)));
        }
        contenders
            .push((app.admin.at(&twins.other), Request::Patch(quota.clone(), json!({"quota": 2_000_000_000_000_i64}))));
        for answer in race(contenders).await {
            answer.expect(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_redeemed_while_its_ground_is_taken_away() {
    let leased = Leased::new().await;
    let twins = &leased.twins;
    let app = &twins.app;
    for round in 0..rounds() * 5 {
        let ada = app.member(&app.root, &format!("ada{round}")).await;
        let lease = leased.make(&ada).await;
        let before = leased.redeemed().await.0;
        let path = format!("{}/{}", paths::leases(&app.root, &leased.token), lease["id"].as_str().unwrap());
        let (token, solver) = (paths::token(&app.root, &leased.token), &leased.solvers[0]);
        let role = paths::role(&app.root, &solver.id, "solver");
        let (blow, cure) = match round % 5 {
            0 => (Request::Delete(path), None),
            1 => (Request::Delete(paths::user(&app.root, &ada.id)), None),
            2 => (Request::Patch(paths::user(&app.root, &ada.id), json!({"status": "disabled"})), None),
            3 => (
                Request::Patch(token.clone(), json!({"enabled": false})),
                Some(Request::Patch(token, json!({"enabled": true}))),
            ),
            _ => (Request::Delete(role.clone()), Some(Request::Put(role, Value::Null))),
        };
        let answers = race(vec![(solver.clone(), Leased::redeem(&lease)), (app.admin.at(&twins.other), blow)]).await;
        let [redeemed, struck] = answers.as_slice() else { unreachable!() };
        // One after the other, in whatever order.
        let after = leased.redeemed().await.0;
        match (redeemed.status.as_u16(), struck.status.as_u16()) {
            (200, 200 | 204) => assert_eq!(after, before + 1),
            // Taken back too late.
            (200, 409) if round % 5 == 0 => assert_eq!(after, before + 1),
            (422, 200 | 204) => assert_eq!((after, redeemed.json()["code"].as_str()), (before, Some("invalid_lease"))),
            (403, 200 | 204) if round % 5 >= 3 => assert_eq!(after, before),
            _ => panic!("{answers:?}"),
        }
        if let Some(cure) = cure {
            assert!(cure.send(&app.admin).await.status.is_success());
        }
        // Spent, or without ground for good; what was only taken away for a while gives the ground back.
        let again = Leased::redeem(&lease).send(solver).await;
        if redeemed.status == 403 { drop(again.expect(200)) } else { drop(again.expect_problem(422, "invalid_lease")) }
    }
}
