//! The secret canary: known secrets go through every flow of a real `dev` that logs at `trace` level, beside a PostgreSQL
//! that logs every statement with its parameters. Afterwards they are nowhere: not in a log of either, an answer, the
//! metrics, or a dump.

mod flows;
mod mistakes;
mod uses;

use std::os::unix::process::CommandExt;
use std::process::Command;

use sqlx::{Connection, Executor, PgConnection};

use self::flows::Flows;
use crate::support::process::{Process, Scratch};
use crate::support::recorder::Recorder;
use crate::support::upstream::{Reply, Upstream};

/// Characters that every encoding writes in its own way.
pub const TOKEN: &str = "DEV-canary/7f+Q= \"w\" \\k %41 <e> 'Zz9";
pub const ROTATED: &str = "DEV-rotated/8g+R= \"x\" \\l %42 <o> 'Yy8";
/// What IBM gives for a token.
pub const TEMPORARY: &str = "eyJ0.canary/1j+U= \"t\" \\n %47 <ü> 'Uu3.sig";
pub const ACCESS_KEY_ID: &str = "AKIACANARY7FQ2ZZ9XWV";
pub const SECRET_ACCESS_KEY: &str = "wJalr/CANARY+K7MDENG=bPxRfi%CY\\\"<e>KEY";
pub const SESSION_TOKEN: &str = "FwoGZXIvYXdzE//CANARY+session=%7B\"token\\<e>";
pub const PASSWORD: &str = "pass/canary+word= \"p\" \\q %43 <é> 'Xx7";
pub const NEW_PASSWORD: &str = "next/canary+word= \"n\" \\m %44 <é> 'Ww6";
pub const ENCRYPTION_KEY: &str = "enc/canary+key= \"e\" \\n %45 <é> 'Vv5";

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_in_and_are_found_nowhere() {
    let scratch = Scratch::new();
    let mut recorder = Recorder::default();
    for (name, text) in [
        ("the D-Wave token", TOKEN),
        ("the rotated token", ROTATED),
        ("the temporary token", TEMPORARY),
        ("the AWS key id", ACCESS_KEY_ID),
        ("the AWS secret key", SECRET_ACCESS_KEY),
        ("the AWS session token", SESSION_TOKEN),
        ("the password", PASSWORD),
        ("the new password", NEW_PASSWORD),
        ("the SDK's encryption key", ENCRYPTION_KEY),
    ] {
        recorder.watch(name, text);
    }

    let provider = Upstream::start(|_| Reply::silence()).await;
    let addresses = uses::environment(&provider);
    for (format, parameters) in [("pretty", true), ("json", false)] {
        let mut environment =
            vec![("LUNA_ORGANIZATIONS_LOG_FILTER", "trace"), ("LUNA_ORGANIZATIONS_LOG_FORMAT", format)];
        environment.extend(addresses.iter().map(|(name, value)| (*name, value.as_str())));
        let service = Process::dev(&scratch, &environment);
        let told = scratch.first_admin();
        for secret in ["api_key", "password"] {
            recorder.watch(&format!("the first admin's {secret}"), told[secret].as_str().unwrap());
        }
        log_everything(&scratch, parameters).await;
        let root = told["organization_id"].as_str().unwrap().to_owned();
        let admin = service.first_admin(&scratch);
        let (base_url, provider) = (&*service.base_url, &provider);
        let mut flows = Flows { recorder: &mut recorder, base_url, provider, admin, root, run: format };
        flows.run(!parameters).await;
        let metrics = reqwest::Client::builder().no_proxy().build().unwrap().get(&service.metrics_url);
        assert!(recorder.send(metrics).await.text.contains("http_requests_total"));

        let answers = recorder.expect_clean_answers();
        assert!(answers > 150, "only {answers} answers");
        let dump = dump(&scratch);
        assert!(dump.contains("COPY public.qpu_token_secrets") && dump.contains("canary rotated"));
        assert!(dump.contains("jobs:submit") && dump.contains("credential_refused"), "tokens were used");
        recorder.expect_clean("the dump", &dump);
        let log = service.output();
        assert!(
            log.contains("DEBUG") && log.contains("sqlx::query"),
            "everything is logged: nobody says anything at trace"
        );
        service.stop().await;
        recorder.expect_clean(&format!("the {format} log"), &log);
    }
    let log = String::from_utf8_lossy(&std::fs::read(scratch.path("postgres/postgresql.log")).unwrap()).into_owned();
    for sign in ["INSERT INTO qpu_token_secrets", "arameters: $1 = ", "duration: ", "token_name_taken"] {
        assert!(log.contains(sign), "PostgreSQL's log has no {sign:?}");
    }
    recorder.expect_clean("PostgreSQL's log", &log);
}

/// Makes PostgreSQL log every statement of all connections from now on: as talkative as it gets, or as the service starts
/// it, which is without the parameters.
async fn log_everything(scratch: &Scratch, parameters: bool) {
    let mut superuser = PgConnection::connect(&scratch.database_url("postgres")).await.unwrap();
    superuser.execute("ALTER ROLE luna RESET ALL").await.unwrap();
    let most = [
        "log_statement = 'all'",
        "log_min_duration_statement = 0",
        "log_min_messages = 'debug1'",
        "log_error_verbosity = 'verbose'",
        "log_parameter_max_length = -1",
        "log_parameter_max_length_on_error = -1",
        "log_lock_waits = on",
    ];
    for setting in if parameters { most.as_slice() } else { &most[..3] } {
        superuser.execute(sqlx::AssertSqlSafe(format!("ALTER ROLE luna SET {setting}"))).await.unwrap();
    }
    superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'luna'").await.unwrap();
}

/// All that the database's administrator can carry away, by the tool beside the server.
fn dump(scratch: &Scratch) -> String {
    let server = scratch.postmaster().unwrap().as_raw_nonzero();
    let tools = std::fs::read_link(format!("/proc/{server}/exe")).unwrap();
    let mut dump = Command::new(tools.with_file_name("pg_dump"));
    dump.arg("--dbname").arg(scratch.database_url("postgres")).env_clear().process_group(0);
    let output = dump.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
