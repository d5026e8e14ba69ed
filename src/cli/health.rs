//! `luna-organizations health`: asks the service on this machine whether it is ready. It is the containers' health check,
//! because their image holds no other program.
//!
//! One request without a body to our own listener, and only the status line matters: a client library would be a
//! dependency of the whole service for less code than this.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::configuration::Configuration;
use super::{Failure, print};

/// How long to wait for the connection, and for each piece of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer of `/readyz` is far shorter, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Ends well if the service that this configuration describes is ready.
pub fn run(configuration: &Configuration) -> Result<(), Failure> {
    let address = from_here(configuration.listen);
    let answer = ask(address).map_err(|error| format!("http://{address}/readyz: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(print("ready")?),
        _ => {
            Err(format!("http://{address}/readyz: {} {}", head.lines().next().unwrap_or_default(), body.trim()).into())
        }
    }
}

/// Who listens on every address also listens on the machine's own.
fn from_here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // RFC 9112: HTTP/1.1 wants a host; `close` ends the answer with the connection.
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    // In one piece: who answers after the first one would close the connection before the rest.
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// The health of a service that gives this answer once.
    fn health_of(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = SocketAddr::from(([0, 0, 0, 0], listener.local_addr().unwrap().port()));
        let service = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let read = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            read
        });
        let health = run(&Configuration { listen, ..Configuration::default() });
        assert!(service.join().unwrap() > 0);
        health.map_err(|failure| failure.to_string())
    }

    #[test]
    fn only_a_200_is_healthy() {
        assert_eq!(health_of("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), Ok(()));
        let missing = health_of("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"database\":false}").unwrap_err();
        assert!(missing.contains("503") && missing.contains("\"database\":false"), "{missing}");
        assert!(health_of("").is_err());
        assert!(health_of("200").is_err());
    }

    #[test]
    fn nobody_there_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap();
        drop(listener);
        let failure = run(&Configuration { listen, ..Configuration::default() }).unwrap_err().to_string();
        assert!(failure.contains(&listen.to_string()), "{failure}");
    }
}
