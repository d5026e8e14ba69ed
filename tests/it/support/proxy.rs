//! What stands between a service and its database, and can fall silent: what is connected stays connected, and hears nothing more.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// A way to a database.
pub struct Proxy {
    /// The database's URL by this way.
    pub url: String,
    fallen: watch::Sender<usize>,
    vanished: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// To the database that this URL names by its socket.
    pub async fn to(database_url: &str) -> Self {
        let options: PgConnectOptions = database_url.parse().unwrap();
        let socket = Path::new(options.get_socket().unwrap()).join(format!(".s.PGSQL.{}", options.get_port()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (role, database) = (options.get_username(), options.get_database().unwrap());
        let url = format!("postgres://{role}@{}/{database}?sslmode=disable", listener.local_addr().unwrap());
        let (fallen, connections) = (watch::Sender::new(0), Arc::new(AtomicUsize::new(0)));
        let (falls, made) = (fallen.clone(), Arc::clone(&connections));
        let vanished = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&vanished);
        tokio::spawn(async move {
            let mut unheard = Vec::new();
            while let Ok((client, _)) = listener.accept().await {
                made.fetch_add(1, Ordering::SeqCst);
                if gone.load(Ordering::SeqCst) {
                    unheard.push(client);
                    continue;
                }
                let (from, to) = client.into_split();
                let (back, on) = UnixStream::connect(&socket).await.unwrap().into_split();
                tokio::spawn(carry(from, on, falls.subscribe()));
                tokio::spawn(carry(back, to, falls.subscribe()));
            }
        });
        Self { url, fallen, vanished, connections }
    }

    /// Carries nothing more on the connections that there are. New ones work.
    pub fn fall_silent(&self) {
        self.fallen.send_modify(|falls| *falls += 1);
    }

    /// The same for new ones.
    pub fn vanish(&self) {
        self.vanished.store(true, Ordering::SeqCst);
        self.fall_silent();
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut fallen: watch::Receiver<usize>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            _ = fallen.changed() => 0,
            read = from.read(&mut buffer) => match read {
                Ok(read) if read > 0 => read,
                _ => return,
            },
        };
        if read == 0 {
            // Neither end learns that nobody listens any more.
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
