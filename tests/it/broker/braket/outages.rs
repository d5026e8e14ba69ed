//! The database fails between the provider's answer and the ledger.

use std::time::Duration;

use reqwest::Method;

use super::{World, encoded, folder};

/// Where the results of a task are, only the answer to its submission tells: both are written down, or neither yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_and_its_folder_are_written_down_together() {
    let world = World::start().await;
    let ada = world.member("ada").await;
    let fail = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
                CREATE TRIGGER fail BEFORE INSERT ON jobs FOR EACH ROW WHEN (NEW.state = 'settled') EXECUTE FUNCTION fail()";
    sqlx::raw_sql(fail).execute(&world.app.database).await.unwrap();
    let answer = ada.submit("mine", 70).await;
    assert_eq!(answer.status, 424, "{}", answer.text);
    assert!(answer.text.contains("the provider has taken it as arn:aws:braket:"), "{}", answer.text);
    assert!(world.ledger().await.is_empty());
    sqlx::raw_sql("DROP TRIGGER fail ON jobs").execute(&world.app.database).await.unwrap();
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if !world.ledger().await.is_empty() {
            break;
        }
    }
    let ledger = world.ledger().await;
    let [(arn, state, None)] = ledger.as_slice() else { panic!("{ledger:?}") };
    assert_eq!(state, "open");
    let results = format!("{}/{}/results.json", super::BUCKET, folder(&world, &ada, arn));
    let read = ada.s3(Method::GET, &results).await;
    assert_eq!(read.status, 200, "{}", read.text);
    let task = ada.braket(Method::GET, &format!("quantum-task/{}", encoded(arn)), &serde_json::Value::Null).await;
    assert_eq!(task.status, 200, "{}", task.text);
}
