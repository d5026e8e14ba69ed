//! A well-behaved Solver API: keeps problems, and tells what they have used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::upstream::{Reply, Seen};

/// The problems that it keeps; clones are the same.
#[derive(Clone, Default)]
pub struct Sapi(Arc<Mutex<BTreeMap<String, Problem>>>);

#[derive(Clone)]
struct Problem {
    status: &'static str,
    /// QPU access time, in microseconds.
    microseconds: f64,
    /// The token that it was submitted with.
    token: String,
}

impl Sapi {
    /// Answers a request.
    pub fn answer(&self, seen: &Seen) -> Reply {
        let Some(path) = seen.path().strip_prefix("/sapi/v2/") else { return Reply::json(404, &Value::Null) };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match (seen.method.as_str(), parts.as_slice()) {
            ("POST", ["problems"]) => Reply::json(200, &self.submit(seen)),
            ("GET", ["problems"]) => {
                let problems = self.0.lock().unwrap();
                Reply::json(200, &problems.iter().map(|(id, problem)| problem.status(id)).collect())
            }
            ("DELETE", ["problems"]) => {
                let ids: Vec<String> = serde_json::from_slice(&seen.body).unwrap();
                for id in &ids {
                    self.set(id, "CANCELLED", 0.0);
                }
                Reply::json(200, &json!([]))
            }
            (method, ["problems", id, rest @ ..]) => self.about(method, id, rest),
            ("GET", ["solvers", "remote"]) => Reply::json(200, &json!([{"id": "Advantage_system9"}])),
            ("POST", ["bqm", "multipart"]) => Reply::json(200, &json!({"id": "upload-1"})),
            _ => Reply::json(200, &json!({"path": path})),
        }
    }

    fn submit(&self, seen: &Seen) -> Value {
        let mut problems = self.0.lock().unwrap();
        let count = seen.json().as_array().map_or(1, Vec::len);
        let made = (0..count).map(|_| {
            let id = format!("problem-{}", problems.len() + 1);
            let problem = Problem { status: "PENDING", microseconds: 0.0, token: seen.header("x-auth-token") };
            let told = problem.status(&id);
            problems.insert(id, problem);
            told
        });
        made.collect()
    }

    fn about(&self, method: &str, id: &str, rest: &[&str]) -> Reply {
        if method == "DELETE" {
            self.set(id, "CANCELLED", 0.0);
        }
        let problems = self.0.lock().unwrap();
        let Some(problem) = problems.get(id) else { return Reply::json(404, &json!({"error_code": 404})) };
        let mut told = problem.status(id);
        if problem.status == "COMPLETED" {
            told["answer"] = json!({"timing": {"qpu_access_time": problem.microseconds}});
        }
        match rest {
            [] => Reply::json(200, &told),
            ["answer"] if problem.status == "COMPLETED" => Reply::json(200, &json!({"answer": told["answer"]})),
            ["info"] => {
                told["metadata"] = json!({"status": problem.status, "submitted_by": problem.token});
                Reply::json(200, &told)
            }
            ["messages"] => Reply::json(200, &json!([])),
            _ => Reply::json(404, &json!({"error_code": 404, "error_msg": "not there"})),
        }
    }

    /// Has a problem solved.
    pub fn finish(&self, id: &str, microseconds: f64) {
        self.set(id, "COMPLETED", microseconds);
    }

    /// Forgets a problem.
    pub fn forget(&self, id: &str) {
        self.0.lock().unwrap().remove(id);
    }

    fn set(&self, id: &str, status: &'static str, microseconds: f64) {
        let mut problems = self.0.lock().unwrap();
        let problem = problems.get_mut(id).unwrap();
        (problem.status, problem.microseconds) = (status, microseconds);
    }
}

impl Problem {
    fn status(&self, id: &str) -> Value {
        json!({"id": id, "status": self.status, "type": "ising", "solver": "Advantage_system9"})
    }
}
