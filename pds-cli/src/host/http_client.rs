//! The HTTP client for requests to other servers, with TLS for `https` URLs.

use alloc::rc::Rc;
use core::cell::OnceCell;
use core::error::Error;
use core::iter;

use bytes::Bytes;
use futures_core::future::LocalBoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nacre_pds::host::{FetchLimits, Http, HttpError};
use tokio::time::timeout;

use super::output_gate::OutputGate;

/// A client that keeps no connections open, because its requests are hours apart.
#[derive(Default)]
pub(crate) struct HttpClient {
    gate: Rc<OutputGate>,
    /// Built for the first request, because that takes some milliseconds.
    client: OnceCell<Inner>,
}

type Inner = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl HttpClient {
    pub(crate) fn new(gate: Rc<OutputGate>) -> Self {
        Self { gate, client: OnceCell::new() }
    }
}

impl Http for HttpClient {
    fn fetch(
        &self,
        request: Request<Bytes>,
        limits: FetchLimits,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let client = self.client.get_or_init(build_client).clone();
        let (gate, position) = (Rc::clone(&self.gate), self.gate.position());
        Box::pin(async move {
            gate.wait_until_synced(position).await;
            let fetched = timeout(limits.time, fetch(client, request, limits.body_bytes)).await;
            fetched.unwrap_or(Err(HttpError::TimedOut))
        })
    }
}

/// Builds a client that trusts Mozilla's root certificates, which are compiled in because minimal
/// containers have none.
fn build_client() -> Inner {
    let connector =
        HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .http1_max_buf_size(MAX_HEAD_BYTES)
        .build(connector)
}

async fn fetch(
    client: Inner,
    request: Request<Bytes>,
    max_body_bytes: usize,
) -> Result<Response<Bytes>, HttpError> {
    let response = client.request(request.map(Full::new)).await;
    let response = response.map_err(|error| HttpError::Failed(with_causes(&error)))?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, max_body_bytes).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            HttpError::TooLarge
        } else {
            HttpError::Failed(error.to_string())
        }
    })?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

/// Returns the messages of an error and all its causes.
fn with_causes(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The largest response head: status line and headers.
const MAX_HEAD_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use core::sync::atomic::Ordering;
    use core::time::Duration;
    use std::io;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::{spawn_local, yield_now};

    use super::super::output_gate::tests::{TestLog, settle, while_running};
    use super::*;

    const LIMITS: FetchLimits = FetchLimits { body_bytes: 4, time: Duration::from_secs(5) };

    /// Serves one connection with this response, and returns the bytes it received.
    async fn serve(answer: &'static str) -> (String, impl Future<Output = io::Result<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path?query", listener.local_addr().unwrap());
        let served = async move {
            let (mut stream, _) = listener.accept().await?;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut head).await?;
            }
            stream.write_all(answer.replace('\n', "\r\n").as_bytes()).await?;
            if answer.is_empty() {
                // Waits until the client disconnects.
                stream.read_to_end(&mut head).await?;
            }
            Ok(String::from_utf8_lossy(&head).into_owned())
        };
        (url, served)
    }

    async fn get(answer: &'static str) -> (Result<Response<Bytes>, HttpError>, String) {
        let (url, served) = serve(answer).await;
        let request = Request::get(url).header("user-agent", "test").body(Bytes::new()).unwrap();
        let client = HttpClient::default();
        let (fetched, seen) = tokio::join!(client.fetch(request, LIMITS), served);
        (fetched, seen.unwrap())
    }

    #[tokio::test]
    async fn response_of_any_status_is_returned_with_its_body() {
        let (fetched, seen) = get("HTTP/1.1 404 Not Found\ncontent-length: 4\n\nfour").await;
        let fetched = fetched.unwrap();
        assert_eq!((fetched.status().as_u16(), &**fetched.body()), (404, &b"four"[..]));
        assert!(seen.starts_with("GET /path?query HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("\r\nuser-agent: test\r\n"), "{seen}");
        assert!(seen.contains("\r\nhost: 127.0.0.1:"), "{seen}");
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let answer = "HTTP/1.1 302 Found\nlocation: http://127.0.0.1:1/\ncontent-length: 0\n\n";
        assert_eq!(get(answer).await.0.unwrap().status().as_u16(), 302);
    }

    #[tokio::test]
    async fn body_over_the_limit_is_an_error() {
        let known = "HTTP/1.1 200 OK\ncontent-length: 5\n\nfive!";
        let unknown = "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n5\nfive!\n0\n\n";
        for answer in [known, unknown] {
            assert_eq!(get(answer).await.0.unwrap_err(), HttpError::TooLarge);
        }
    }

    #[tokio::test]
    async fn malformed_response_and_refused_connection_are_errors() {
        for answer in ["HTTP/1.1\n\n", "HTTP/1.1 200 OK\ncontent-length: 4\n\nfou"] {
            let (fetched, _) = get(answer).await;
            assert!(matches!(fetched, Err(HttpError::Failed(_))), "{fetched:?}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let request = Request::get(closed).body(Bytes::new()).unwrap();
        let fetched = HttpClient::default().fetch(request, LIMITS).await.unwrap_err();
        let HttpError::Failed(message) = &fetched else { panic!("{fetched:?}") };
        assert!(message.contains("refused"), "{message}");
    }

    #[tokio::test(start_paused = true)]
    async fn silent_server_times_out() {
        assert_eq!(get("").await.0.unwrap_err(), HttpError::TimedOut);
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
            let request = Request::get(url).body(Bytes::new()).unwrap();
            let fetched = spawn_local(client.fetch(request, LIMITS));
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/secret", listener.local_addr().unwrap());
        let request = Request::get(url).body(Bytes::new()).unwrap();
        let client = HttpClient::default();
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 4096];
            let count = stream.read(&mut seen).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            seen.truncate(count);
            seen
        };
        let (fetched, seen) = tokio::join!(client.fetch(request, LIMITS), served);
        assert!(matches!(fetched, Err(HttpError::Failed(_))), "{fetched:?}");
        // The first record of a TLS handshake.
        assert_eq!(seen[..2], [22, 3]);
        assert!(!seen.windows(6).any(|bytes| bytes == b"secret"));
    }
}
