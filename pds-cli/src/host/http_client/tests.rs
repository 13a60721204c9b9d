//! Tests against servers on this machine, with scripted name resolution.

mod destinations;
mod guard;
mod limits;
mod streams;
mod tls;

use core::cell::RefCell;
use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io;

use alloc::sync::Arc;
use nacre_pds::body::{Body, Request};
use nacre_pds::host::Destination;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{spawn_local, yield_now};

use super::super::output_gate::tests::{TestLog, settle, while_running};
use super::connect::Resolver;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Resolves each name to the next of these answers, and the last one from then on.
struct Names {
    answers: RefCell<Vec<Vec<SocketAddr>>>,
    /// The names that were asked for.
    asked: RefCell<Vec<String>>,
}

impl Names {
    fn new(answers: Vec<Vec<SocketAddr>>) -> Rc<Self> {
        Rc::new(Self { answers: RefCell::new(answers), asked: RefCell::default() })
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        host: &str,
        _port: u16,
    ) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.asked.borrow_mut().push(host.to_owned());
        let mut answers = self.answers.borrow_mut();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move {
            yield_now().await;
            Ok(answer)
        })
    }
}

impl HttpClient {
    fn with_names(names: Rc<Names>) -> Self {
        Self { gate: Rc::default(), connector: Rc::new(Connector::new(names)) }
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Reads from a connection until it has the head of a request.
async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn request(request: Request) -> OutboundRequest {
    let destination = Destination::Operator;
    OutboundRequest { request, destination, head_time: 5 * SECOND, total_time: 5 * SECOND }
}

fn get(url: &str) -> OutboundRequest {
    request(Request::new(Body::Empty).map_uri(url))
}

/// Serves one connection with this response, and returns the bytes it received.
async fn serve(answer: &'static str) -> (String, impl Future<Output = io::Result<String>>) {
    let (listener, address) = listen().await;
    let served = async move {
        let (mut stream, _) = listener.accept().await?;
        let head = read_head(&mut stream).await?;
        stream.write_all(answer.replace('\n', "\r\n").as_bytes()).await?;
        if answer.is_empty() {
            // Waits until the client disconnects.
            stream.read_to_end(&mut Vec::new()).await?;
        }
        Ok(head)
    };
    (format!("http://{address}/path?query"), served)
}

/// Requests a response, and returns its status and body, and the request as it arrived.
async fn fetch(answer: &'static str) -> (Result<(u16, Vec<u8>), HttpError>, String) {
    let (url, served) = serve(answer).await;
    let mut request = get(&url);
    request.request.headers_mut().insert("user-agent", "test".parse().unwrap());
    let client = HttpClient::default();
    let fetched = async {
        let response = client.send(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect(1_000).await;
        let body = body.map_err(|error| HttpError::Failed(error.to_string()))?;
        Ok((status, body.to_vec()))
    };
    let (fetched, seen) = tokio::join!(fetched, served);
    (fetched, seen.unwrap())
}

trait MapUri {
    fn map_uri(self, url: &str) -> Self;
}

impl MapUri for Request {
    fn map_uri(mut self, url: &str) -> Self {
        *self.uri_mut() = url.parse().unwrap();
        self
    }
}

#[tokio::test]
async fn response_of_any_status_is_returned_with_its_body() {
    let (fetched, seen) = fetch("HTTP/1.1 404 Not Found\ncontent-length: 4\n\nfour").await;
    assert_eq!(fetched.unwrap(), (404, b"four".to_vec()));
    assert!(seen.starts_with("GET /path?query HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nuser-agent: test\r\n"), "{seen}");
    assert!(seen.contains("\r\nhost: 127.0.0.1:"), "{seen}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let answer = "HTTP/1.1 302 Found\nlocation: http://127.0.0.1:1/\ncontent-length: 0\n\n";
    assert_eq!(fetch(answer).await.0.unwrap().0, 302);
}

#[tokio::test]
async fn encoded_body_is_left_as_it_is() {
    let answer = "HTTP/1.1 200 OK\ncontent-encoding: gzip\ncontent-length: 4\n\nfour";
    assert_eq!(fetch(answer).await.0.unwrap(), (200, b"four".to_vec()));
}

#[tokio::test]
async fn malformed_response_and_refused_connection_are_errors() {
    for answer in ["HTTP/1.1\n\n", "HTTP/1.1 200 OK\ncontent-length: 4\n\nfou"] {
        let (fetched, _) = fetch(answer).await;
        assert!(matches!(fetched, Err(HttpError::Failed(_))), "{fetched:?}");
    }
    let (listener, address) = listen().await;
    drop(listener);
    let fetched = HttpClient::default().send(get(&format!("http://{address}/"))).await;
    let Err(HttpError::Failed(message)) = &fetched else { panic!("{fetched:?}") };
    assert!(message.contains("refused"), "{message}");
}

#[tokio::test]
async fn request_waits_until_commits_are_on_disk() {
    let (log, disk) = TestLog::new();
    let gate = Rc::new(OutputGate::new(Arc::<TestLog>::clone(&log)));
    log.commits.store(1, Ordering::SeqCst);
    let client = HttpClient::new(Rc::clone(&gate));
    let body = async {
        let (url, served) = serve("HTTP/1.1 200 OK\ncontent-length: 0\n\n").await;
        let served = spawn_local(served);
        let fetched = spawn_local(client.send(get(&url)));
        while log.syncs.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        settle().await;
        assert!(!served.is_finished() && !fetched.is_finished());
        disk.send(Ok(())).unwrap();
        assert_eq!(fetched.await.unwrap().unwrap().status().as_u16(), 200);
    };
    while_running(&gate, body).await;
}

#[tokio::test]
async fn https_request_sends_nothing_to_a_server_without_tls() {
    let (listener, address) = listen().await;
    let client = HttpClient::default();
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; 4096];
        let count = stream.read(&mut seen).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        seen.truncate(count);
        seen
    };
    let request = get(&format!("https://{address}/secret"));
    let (fetched, seen) = tokio::join!(client.send(request), served);
    assert!(matches!(fetched, Err(HttpError::Failed(_))), "{fetched:?}");
    // The first record of a TLS handshake.
    assert_eq!(seen[..2], [22, 3]);
    assert!(!seen.windows(6).any(|bytes| bytes == b"secret"));
}
