//! Requests to other servers, over TLS but for those of this machine.

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

use super::gate::Gate;

/// A client that keeps no connection open: what it is asked for comes hours apart.
#[derive(Default)]
pub(crate) struct HttpClient {
    gate: Rc<Gate>,
    /// Made for the first request, as it takes some milliseconds.
    client: OnceCell<Inner>,
}

type Inner = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl HttpClient {
    pub(crate) fn new(gate: Rc<Gate>) -> Self {
        Self { gate, client: OnceCell::new() }
    }
}

impl Http for HttpClient {
    fn fetch(
        &self,
        request: Request<Bytes>,
        limits: FetchLimits,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let client = self.client.get_or_init(inner).clone();
        let (gate, moment) = (Rc::clone(&self.gate), self.gate.now());
        Box::pin(async move {
            gate.pass(moment).await;
            let fetched = timeout(limits.time, fetch(client, request, limits.body_bytes)).await;
            fetched.unwrap_or(Err(HttpError::TimedOut))
        })
    }
}

/// The roots of trust are Mozilla's, compiled in: the least of containers have none of their own.
fn inner() -> Inner {
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
    body_bytes: usize,
) -> Result<Response<Bytes>, HttpError> {
    let answer = client.request(request.map(Full::new)).await;
    let answer = answer.map_err(|error| HttpError::Failed(with_causes(&error)))?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, body_bytes).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            HttpError::TooLarge
        } else {
            HttpError::Failed(error.to_string())
        }
    })?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

/// Returns what an error says and what its causes say, of which the last is the one that helps.
fn with_causes(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The largest status line and headers together.
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

    use super::super::gate::tests::{TestLog, settle, while_tended};
    use super::*;

    const LIMITS: FetchLimits = FetchLimits { body_bytes: 4, time: Duration::from_secs(5) };

    /// Serves one connection, and returns what came on it once it ends.
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
                // Until the client leaves.
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
    async fn an_answer_comes_whole_whatever_its_status() {
        let (fetched, seen) = get("HTTP/1.1 404 Not Found\ncontent-length: 4\n\nfour").await;
        let fetched = fetched.unwrap();
        assert_eq!((fetched.status().as_u16(), &**fetched.body()), (404, &b"four"[..]));
        assert!(seen.starts_with("GET /path?query HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("\r\nuser-agent: test\r\n"), "{seen}");
        assert!(seen.contains("\r\nhost: 127.0.0.1:"), "{seen}");
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_like_others() {
        let answer = "HTTP/1.1 302 Found\nlocation: http://127.0.0.1:1/\ncontent-length: 0\n\n";
        assert_eq!(get(answer).await.0.unwrap().status().as_u16(), 302);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_not_read() {
        let known = "HTTP/1.1 200 OK\ncontent-length: 5\n\nfive!";
        let unknown = "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n5\nfive!\n0\n\n";
        for answer in [known, unknown] {
            assert_eq!(get(answer).await.0.unwrap_err(), HttpError::TooLarge);
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_told() {
        for answer in ["HTTP/1.1\n\n", "HTTP/1.1 200 OK\ncontent-length: 4\n\nfou"] {
            let (fetched, _) = get(answer).await;
            assert!(matches!(fetched, Err(HttpError::Failed(_))), "{fetched:?}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let request = Request::get(closed).body(Bytes::new()).unwrap();
        let fetched = HttpClient::default().fetch(request, LIMITS).await.unwrap_err();
        let HttpError::Failed(told) = &fetched else { panic!("{fetched:?}") };
        assert!(told.contains("refused"), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_left() {
        assert_eq!(get("").await.0.unwrap_err(), HttpError::TimedOut);
    }

    #[tokio::test]
    async fn no_request_is_sent_that_tells_of_what_is_not_on_the_disk() {
        let (log, disk) = TestLog::new();
        let gate = Rc::new(Gate::new(Arc::<TestLog>::clone(&log)));
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
        while_tended(&gate, body).await;
    }

    #[tokio::test]
    async fn who_speaks_no_tls_is_not_spoken_to() {
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
