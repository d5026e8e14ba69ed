//! A proxy that injects a constant credential and checks nothing: what forwarding alone costs with hyper.
//!
//! `plain PORT UPSTREAM_PORT CREDENTIAL`

use std::convert::Infallible;
use std::error::Error;

use http_body_util::{Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
struct Upstream {
    client: Client<HttpConnector, Incoming>,
    authority: String,
    host: HeaderValue,
    credential: HeaderValue,
}

impl Upstream {
    /// `/v1/qpu/<token>/<path>` at the proxy is `/<path>` at the upstream.
    async fn forward(self, mut request: Request<Incoming>) -> Result<Response<Incoming>, Failure> {
        let asked = request.uri().path_and_query().ok_or("no path")?.as_str();
        let (_, path) = asked.strip_prefix("/v1/qpu/").and_then(|rest| rest.split_once('/')).ok_or("not a token's")?;
        let uri =
            Uri::builder().scheme("http").authority(&*self.authority).path_and_query(format!("/{path}")).build()?;
        *request.uri_mut() = uri;
        request.headers_mut().insert(HOST, self.host);
        request.headers_mut().insert(X_AUTH_TOKEN, self.credential);
        Ok(self.client.request(request).await?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, upstream_port, credential] = arguments.as_slice() else {
        return Err("plain PORT UPSTREAM_PORT CREDENTIAL".into());
    };
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let authority = format!("127.0.0.1:{upstream_port}");
    let upstream = Upstream {
        client: Client::builder(TokioExecutor::new()).build(connector),
        host: authority.parse()?,
        authority,
        credential: credential.parse()?,
    };
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let upstream = upstream.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let upstream = upstream.clone();
                async move {
                    Ok::<_, Infallible>(upstream.forward(request).await.map_or_else(
                        |_| {
                            let mut answer = Response::new(Either::Right(Empty::<Bytes>::new()));
                            *answer.status_mut() = StatusCode::BAD_GATEWAY;
                            answer
                        },
                        |answer| answer.map(Either::Left),
                    ))
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
