//! Requests and answers as bytes, for clients that do not keep to the rules and for tests that want to see everything.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest that an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Wire {
    /// Everything before the body, informational answers included.
    pub head: String,
    /// The body, without chunks.
    pub body: Vec<u8>,
    /// Whether the body came to its announced end.
    pub complete: bool,
}

impl Wire {
    /// The last status; 0 if there was none.
    pub fn status(&self) -> u16 {
        let mut lines = self.head.lines().filter(|line| line.starts_with("HTTP/1.1 "));
        lines.next_back().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0)
    }

    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Everything, to be searched.
    pub fn text(&self) -> String {
        format!("{}{}", self.head, String::from_utf8_lossy(&self.body))
    }
}

/// Sends these bytes and reads all that comes, until the other side closes.
pub async fn exchange(base_url: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).await.unwrap();
    // An answer may come, and the connection close, before all is sent.
    let _ = stream.write_all(bytes).await;
    let mut all = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await;
    let _ = read.expect("an answer in time");
    all
}

/// A request with `connection: close`, and its answer. `headers` are lines with their ends.
pub async fn ask(base_url: &str, method: &str, target: &str, headers: &str, body: &[u8]) -> Wire {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head =
        format!("{method} {target} HTTP/1.1\r\nhost: luna.example.com\r\nconnection: close\r\n{headers}{length}\r\n");
    parse(&exchange(base_url, &[head.as_bytes(), body].concat()).await)
}

/// Takes an answer apart.
pub fn parse(bytes: &[u8]) -> Wire {
    let mut end = 0;
    // Informational answers have no body; what counts comes after them.
    loop {
        let Some(length) = bytes[end..].windows(4).position(|window| window == b"\r\n\r\n") else {
            return Wire { head: String::from_utf8_lossy(bytes).into_owned(), body: Vec::new(), complete: false };
        };
        let informational = bytes[end..].starts_with(b"HTTP/1.1 1");
        end += length + 4;
        if !informational {
            break;
        }
    }
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut wire = Wire { head, body: bytes[end..].to_vec(), complete: true };
    if wire.header("transfer-encoding").contains("chunked") {
        (wire.body, wire.complete) = dechunk(&bytes[end..]);
    } else if let Ok(length) = wire.header("content-length").parse::<usize>() {
        wire.complete = wire.body.len() >= length || matches!(wire.status(), 204 | 304);
    }
    wire
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|window| window == b"\r\n") {
        let length = std::str::from_utf8(&rest[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(length) = length else { break };
        rest = &rest[line + 2..];
        if length == 0 {
            // Trailers would stand here; they are part of what is searched.
            body.extend_from_slice(rest.strip_suffix(b"\r\n").unwrap_or(rest));
            return (body, true);
        }
        body.extend_from_slice(&rest[..length.min(rest.len())]);
        let Some(after) = rest.get(length + 2..) else { break };
        rest = after;
    }
    (body, false)
}
