//! Knocking at the server's door: a whole login as the service, so that "ready" means that the service gets in.
//!
//! `pg_isready` would not do: it tells whether somebody listens, not whether we are let in.
//! Protocol: PostgreSQL documentation, "Frontend/Backend Protocol", version 3.0.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::ClusterError;

const LIMIT: Duration = Duration::from_secs(5);
const PROTOCOL_3: u32 = 3 << 16;
/// No message during a login is longer than this many bytes.
const MESSAGE_LIMIT: u32 = 64 * 1024;

/// How the server answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nobody listens.
    Silent,
    /// Somebody listens, but takes no connections now (it starts, recovers or shuts down).
    Starting,
    /// We could log in.
    Ready,
}

/// Tries to log in at the socket file as `role`, within a few seconds.
pub(super) async fn ask(socket: &Path, role: &str, database: &str) -> Result<Answer, ClusterError> {
    let socket = socket.to_owned();
    let hello = startup_message(role, database);
    let asked = tokio::task::spawn_blocking(move || knock(&socket, &hello)).await;
    match asked.map_err(io::Error::other).and_then(|answer| answer) {
        Ok(Reply::Ready) => Ok(Answer::Ready),
        Ok(Reply::Error { code, message }) => match code.as_str() {
            "57P03" => Ok(Answer::Starting),
            // Too many connections: it works, and has no room for one more.
            "53300" => Ok(Answer::Ready),
            _ => Err(ClusterError::Refused(message)),
        },
        Ok(Reply::Other) => Err(ClusterError::Refused("it asks for a password".to_owned())),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Ok(Answer::Silent),
            ErrorKind::PermissionDenied => Err(ClusterError::Refused(error.to_string())),
            // It went away meanwhile, or is too busy to answer.
            _ => Ok(Answer::Starting),
        },
    }
}

enum Reply {
    Ready,
    Error { code: String, message: String },
    Other,
}

fn knock(socket: &Path, hello: &[u8]) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(hello)?;
    loop {
        let (kind, body) = read_message(&mut stream)?;
        match kind {
            b'R' if body != [0; 4] => return Ok(Reply::Other),
            b'E' => return Ok(Reply::Error { code: field(&body, b'C'), message: field(&body, b'M') }),
            b'Z' => {
                // A goodbye; how it is received does not matter any more.
                let _ = stream.write_all(&[b'X', 0, 0, 0, 4]);
                return Ok(Reply::Ready);
            }
            _ => {}
        }
    }
}

fn startup_message(role: &str, database: &str) -> Vec<u8> {
    let mut body = PROTOCOL_3.to_be_bytes().to_vec();
    for word in ["user", role, "database", database] {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), &body].concat()
}

fn read_message(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u32::from_be_bytes(length);
    if !(4..MESSAGE_LIMIT).contains(&length) {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body)?;
    Ok((kind, body))
}

/// One field of an `ErrorResponse`: a byte that names it, its text, a NUL.
fn field(body: &[u8], name: u8) -> String {
    let found = body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(&[name]));
    String::from_utf8_lossy(found.unwrap_or_default()).into_owned()
}
