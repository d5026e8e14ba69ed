//! The table that people read: a line for the path, below it a row for each method, a column for each kind of caller.

use std::fmt::Write as _;

use super::operation::Operation;
use super::world::Kind;

const METHOD: usize = 8;
const PERMISSION: usize = 27;
const CELL: usize = 9;

pub struct Table {
    text: String,
    path: String,
}

impl Table {
    pub fn new(callers: &[Kind]) -> Self {
        let mut text = String::new();
        for line in 0..2 {
            let cells: Vec<&str> = callers.iter().map(|kind| kind.heading[line]).collect();
            let (first, second) = if line == 0 { ("method", "permission") } else { ("", "") };
            push(&mut text, first, second, &cells, "");
        }
        Self { text, path: String::new() }
    }

    pub fn row(&mut self, operation: &Operation, statuses: &[String], remark: &str) {
        if self.path != operation.path {
            let _ = writeln!(self.text, "\n{}", operation.path);
            self.path.clone_from(&operation.path);
        }
        let cells: Vec<&str> = statuses.iter().map(String::as_str).collect();
        push(&mut self.text, &format!("  {}", operation.method), &operation.permission, &cells, remark);
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

fn push(text: &mut String, method: &str, permission: &str, cells: &[&str], remark: &str) {
    let mut line = format!("{method:METHOD$} {permission:PERMISSION$} ");
    for cell in cells {
        let _ = write!(line, "{cell:CELL$}");
    }
    line.push_str(remark);
    text.push_str(line.trim_end());
    text.push('\n');
}
