//! A provider that does as it is told, and remembers what it was asked. It speaks in bytes, so that it can misbehave in any way; one
//! that behaves answers with a status and JSON.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};

/// Longest part of a body that is kept, in bytes.
const KEPT: usize = 1024 * 1024;

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// A provider on a port of its own.
pub struct Upstream {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    script: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    hung_up: AtomicUsize,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query, raw.
    pub target: String,
    /// All before the body, raw.
    pub head: String,
    /// The body without chunks, up to a megabyte of it.
    pub body: Vec<u8>,
    /// The body's length.
    pub length: u64,
}

impl Seen {
    /// Method and target.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// All values of a header, joined by commas.
    pub fn header(&self, name: &str) -> String {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        values.collect::<Vec<_>>().join(",")
    }

    /// The names of all headers, sorted.
    pub fn header_names(&self) -> Vec<String> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut names: Vec<_> = lines.map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        names
    }

    /// Everything, to be searched.
    pub fn text(&self) -> String {
        format!("{}{}", self.head, String::from_utf8_lossy(&self.body))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What is done once a request was read.
#[derive(Clone)]
pub enum Step {
    Send(Vec<u8>),
    /// So many bytes of filler, as fast as they are taken.
    Fill(u64),
    Wait(Duration),
    /// Until this is released.
    Hold(Arc<tokio::sync::Semaphore>),
    /// Ends the connection with a reset.
    Reset,
}

/// An answer, byte by byte; the connection stays open unless it is told otherwise.
#[derive(Clone, Default)]
pub struct Reply {
    steps: Vec<Step>,
    close: bool,
}

impl Reply {
    /// Exactly these bytes.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { steps: vec![Step::Send(bytes.into())], close: false }
    }

    /// Nothing at all, for ever.
    pub fn silence() -> Self {
        Self::default().then(Step::Wait(Duration::from_hours(1)))
    }

    /// A proper answer. `headers` are lines with their ends.
    pub fn with(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status} Told\r\n{headers}content-length: {}\r\n\r\n", body.len());
        Self::raw([head.as_bytes(), body].concat())
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::with(status, "content-type: application/json\r\n", body.to_string())
    }

    /// As [`Reply::with`], cut in chunks of `size` bytes, each sent by itself.
    pub fn chunked(headers: &str, body: &[u8], size: usize) -> Self {
        let head = format!("HTTP/1.1 200 Told\r\n{headers}transfer-encoding: chunked\r\n\r\n");
        let chunks = body.chunks(size).map(|chunk| Step::Send(self::chunk(chunk)));
        let steps = std::iter::once(Step::Send(head.into_bytes())).chain(chunks);
        Self { steps: steps.chain([Step::Send(b"0\r\n\r\n".to_vec())]).collect(), close: false }
    }

    /// The same, after a while.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.steps.insert(0, Step::Wait(time));
        self
    }

    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    #[must_use]
    pub fn then_send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Send(bytes.into()))
    }

    /// This one after what is there already.
    #[must_use]
    pub fn followed_by(mut self, other: Self) -> Self {
        self.steps.extend(other.steps);
        Self { close: other.close, ..self }
    }

    /// Ends the connection afterwards.
    #[must_use]
    pub fn close(self) -> Self {
        Self { close: true, ..self }
    }
}

/// Status and JSON; no content for `null`.
impl From<(u16, Value)> for Reply {
    fn from((status, body): (u16, Value)) -> Self {
        if body.is_null() { Self::with(status, "", "") } else { Self::json(status, &body) }
    }
}

/// One chunk with its frame.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

impl Upstream {
    /// One that answers with what the script says, once it has read the request.
    pub async fn start<R: Into<Reply>>(script: impl Fn(&Seen) -> R + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            script: Mutex::new(Arc::new(move |seen| script(seen).into())),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            hung_up: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    /// Where it is, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on.
    pub fn script(&self, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        *self.state.script.lock().unwrap() = Arc::new(script);
    }

    /// From now on, whatever is asked.
    pub fn always(&self, reply: Reply) {
        self.script(move |_| reply.clone());
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The requests since the last time that they were taken.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.seen.lock().unwrap())
    }

    /// The same, as methods and targets.
    pub fn take_lines(&self) -> Vec<String> {
        self.take().iter().map(Seen::line).collect()
    }

    /// The last request.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the provider was asked")
    }

    /// How many requests there were whose target has this in it.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.seen().iter().filter(|seen| seen.method == method && seen.target.contains(part)).count()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How often an answer could not be given because the other side had gone.
    pub fn hung_up(&self) -> usize {
        self.state.hung_up.load(Ordering::SeqCst)
    }

    /// Waits until a request with this in its target has arrived.
    pub async fn reached(&self, part: &str) {
        self.wait(part, || self.seen().iter().any(|seen| seen.target.contains(part))).await;
    }

    /// Waits until this holds.
    pub async fn wait(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..2000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain for {what}: {:?}", self.seen());
    }
}

async fn converse(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(mut seen) = read_head(&mut reader).await {
        if seen.header("expect").contains("100") && writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
            return;
        }
        // Where the target says so, the answer is given before the body has come.
        let early = seen.target.contains("early");
        if !early && read_body(&mut reader, &mut seen).await.is_none() {
            state.hung_up.fetch_add(1, Ordering::SeqCst);
            return;
        }
        state.seen.lock().unwrap().push(seen.clone());
        let script = Arc::clone(&state.script.lock().unwrap());
        let reply = script(&seen);
        for step in &reply.steps {
            let done = match step {
                Step::Send(bytes) => writer.write_all(bytes).await.is_ok(),
                Step::Fill(length) => fill(&mut writer, *length).await,
                Step::Wait(time) => {
                    tokio::select! {
                        () = tokio::time::sleep(*time) => true,
                        _ = reader.fill_buf() => false,
                    }
                }
                Step::Hold(gate) => {
                    tokio::select! {
                        permit = gate.acquire() => permit.is_ok_and(|permit| { permit.forget(); true }),
                        _ = reader.fill_buf() => false,
                    }
                }
                Step::Reset => {
                    let _ = writer.as_ref().set_zero_linger();
                    false
                }
            };
            if matches!(step, Step::Reset) {
                // Without the farewell that ends a direction.
                writer.forget();
                return;
            }
            if !done {
                state.hung_up.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
        if reply.close {
            return;
        }
    }
}

async fn fill(writer: &mut tokio::net::tcp::OwnedWriteHalf, mut length: u64) -> bool {
    static FILLER: OnceLock<Vec<u8>> = OnceLock::new();
    let filler = FILLER.get_or_init(|| b"0123456789abcdef ".iter().copied().cycle().take(64 * 1024).collect());
    while length > 0 {
        let part = usize::try_from(length).unwrap_or(usize::MAX).min(filler.len());
        if writer.write_all(&filler[..part]).await.is_err() {
            return false;
        }
        length -= part as u64;
    }
    true
}

async fn read_head(reader: &mut BufReader<OwnedReadHalf>) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut line = head.split(' ');
    let (method, target) = (line.next()?.to_owned(), line.next()?.to_owned());
    Some(Seen { method, target, head, body: Vec::new(), length: 0 })
}

/// Reads the body as its head says; `None` if it ends early.
async fn read_body(reader: &mut BufReader<OwnedReadHalf>, seen: &mut Seen) -> Option<()> {
    if seen.header("transfer-encoding").contains("chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).await.ok()?;
            let length = u64::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
            take(reader, seen, length).await?;
            // What follows a chunk; trailers are not expected.
            reader.read_line(&mut String::new()).await.ok().filter(|read| *read > 0)?;
            if length == 0 {
                return Some(());
            }
        }
    }
    let length = seen.header("content-length").parse().unwrap_or(0);
    take(reader, seen, length).await
}

async fn take(reader: &mut BufReader<OwnedReadHalf>, seen: &mut Seen, mut length: u64) -> Option<()> {
    let mut buffer = vec![0; 64 * 1024];
    while length > 0 {
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(buffer.len());
        let read = reader.read(&mut buffer[..wanted]).await.ok().filter(|read| *read > 0)?;
        let room = KEPT.saturating_sub(seen.body.len()).min(read);
        seen.body.extend_from_slice(&buffer[..room]);
        seen.length += read as u64;
        length -= read as u64;
    }
    Some(())
}
