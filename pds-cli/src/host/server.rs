//! The HTTP server: accepts connections and passes their requests to the account.

use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::Cell;
use core::convert::Infallible;
use core::future::pending;
use core::net::IpAddr;
use core::pin::pin;
use core::time::Duration;
use std::io;

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONNECTION, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{self, OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use nacre_pds::body::{Body, Response};
use nacre_pds::host::Sockets as _;
use nacre_pds::{Download, Pds, Reply, Subscription, Upload};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::alarm::ProcessAlarm;
use super::blob_folder::BlobFolder;
use super::body::{OutgoingBody, incoming};
use super::client_address::AddressSource;
use super::compress::AcceptEncoding;
use super::output_gate::OutputGate;
use super::sockets::{Registration, Subscribers};
use super::websocket::{self, HandshakeError};
use super::write_timeout::with_write_timeout;

/// A server for one account.
pub(crate) struct Server {
    pds: Rc<Pds>,
    subscribers: Rc<Subscribers>,
    blobs: BlobFolder,
    alarm: Rc<ProcessAlarm>,
    gate: Rc<OutputGate>,
    address_source: AddressSource,
    connection_slots: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

/// The result of handling a request.
enum Answer {
    Response(Response),
    Upgrade(Subscription),
}

/// A connection slot. It is released when the connection, its last request and its WebSocket have
/// all ended.
type ConnectionPermit = Rc<OwnedSemaphorePermit>;

impl Server {
    pub(crate) fn new(
        pds: Rc<Pds>,
        subscribers: Rc<Subscribers>,
        blobs: BlobFolder,
        alarm: Rc<ProcessAlarm>,
        gate: Rc<OutputGate>,
        address_source: AddressSource,
    ) -> Self {
        let connection_slots = Arc::new(Semaphore::new(usize::from(MAX_CONNECTIONS)));
        let stop = watch::Sender::new(false);
        Self { pds, subscribers, blobs, alarm, gate, address_source, connection_slots, stop }
    }

    /// Runs the account's scheduled work. Never returns.
    pub(crate) fn run_due_work(&self) -> impl Future<Output = ()> + 'static {
        Rc::clone(&self.alarm).serve(Rc::clone(&self.pds))
    }

    /// Syncs commits and releases the output that waits for them. Returns only if a sync fails.
    pub(crate) async fn run_output_gate(&self) -> io::Error {
        self.gate.run().await
    }

    /// Accepts connections while there are free slots.
    pub(crate) async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            let permit = Arc::clone(&self.connection_slots).acquire_owned().await;
            let permit = Rc::new(permit.expect("nothing closes the semaphore"));
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Responses are written whole, so Nagle's algorithm only delays them.
                    let _ = stream.set_nodelay(true);
                    spawn_local(Rc::clone(&self).connection(stream, peer.ip(), permit));
                }
                Err(error) => {
                    // The process may be out of file descriptors until a connection ends.
                    tracing::error!(event = "accept.failed", "cannot accept a connection: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Closes all WebSockets and waits until the requests in flight have finished, for at most
    /// [`DRAIN_TIMEOUT`].
    pub(crate) async fn drain(&self) {
        self.stop.send_replace(true);
        self.subscribers.close_all(GOING_AWAY);
        let all = self.connection_slots.acquire_many(u32::from(MAX_CONNECTIONS));
        if timeout(DRAIN_TIMEOUT, all).await.is_err() {
            tracing::warn!(event = "server.stopped", "stopped before all requests finished");
        }
    }

    /// Serves a connection. Its first request must arrive soon. Later ones may take longer, because
    /// proxies keep idle connections for a minute or two.
    async fn connection<S>(self: Rc<Self>, stream: S, peer: IpAddr, permit: ConnectionPermit)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut stop = self.stop.subscribe();
        let was_used = Cell::new(false);
        let service = service_fn(|request| {
            was_used.set(true);
            let answer = Rc::clone(&self).answer(request, peer, Rc::clone(&permit));
            async { Ok::<_, Infallible>(answer.await.map(OutgoingBody)) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_TIMEOUT.saturating_add(IDLE_GRACE))
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(with_write_timeout(stream)), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let unused = async {
            sleep(FIRST_HEAD_TIMEOUT).await;
            if was_used.get() {
                pending::<()>().await;
            }
        };
        // Errors of a connection only concern its client.
        select! {
            _ = connection.as_mut() => return,
            () = unused => return,
            _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    async fn answer(
        self: Rc<Self>,
        mut request: Request<Incoming>,
        peer: IpAddr,
        permit: ConnectionPermit,
    ) -> Response {
        let handshake = websocket::accept(&request);
        let upgraded = upgrade::on(&mut request);
        let accepts = AcceptEncoding::of(request.method(), request.headers());
        let is_kept_alive = is_kept_alive(&request);
        let client = self.address_source.client_address(peer, request.headers());
        let (head, body) = request.into_parts();
        let (body, unread) = incoming(body, head.headers.contains_key(EXPECT));
        let request = Request::from_parts(head, body);
        let (server, held) = (Rc::clone(&self), Rc::clone(&permit));
        // A separate task finishes the request even if the client disconnects, and contains panics.
        let answered = spawn_local(async move {
            let _held = held;
            let answer = match server.pds.handle(request, Some(client)).await {
                Reply::Response(response) => Answer::Response(accepts.compress(response).await),
                Reply::Download(download) => Answer::Response(server.send(download).await),
                Reply::Upload(upload) => Answer::Response(server.receive(upload).await),
                Reply::Upgrade(subscription) => Answer::Upgrade(subscription),
            };
            // A request that only reads may reveal what another one has just written.
            server.gate.wait_until_synced(server.gate.position()).await;
            spawn_local(unread.drain());
            answer
        });
        match answered.await {
            Ok(Answer::Response(mut response)) => {
                if is_kept_alive && !*self.stop.borrow() {
                    let announced = format!("timeout={}", IDLE_TIMEOUT.as_secs());
                    if let Ok(announced) = HeaderValue::try_from(announced) {
                        response.headers_mut().insert(KEEP_ALIVE, announced);
                    }
                }
                response
            }
            Ok(Answer::Upgrade(subscription)) => match handshake {
                Ok(accepted) => self.upgrade(accepted, upgraded, subscription, permit),
                Err(error) => handshake_error(error),
            },
            Err(_) => panic_response(&self.pds),
        }
    }

    /// Sends a blob.
    async fn send(&self, download: Download) -> Response {
        let Download { response, cid, range } = download;
        let Some(range) = range else { return response };
        match self.blobs.read(&cid, range).await {
            Ok(body) => response.map(|_| body),
            Err(error) => self.pds.refuse_download(format!("cannot read blob {cid}: {error}")),
        }
    }

    /// Stores a blob and registers it with the account.
    async fn receive(&self, mut upload: Upload) -> Response {
        match self.blobs.store(&mut upload).await {
            Ok(received) => self.pds.keep_blob(upload, &received).await,
            Err(error) => self.pds.refuse_blob(&upload, error),
        }
    }

    /// Accepts a WebSocket. Serves it once the response is sent.
    fn upgrade(
        self: Rc<Self>,
        accepted: Response,
        upgraded: OnUpgrade,
        subscription: Subscription,
        permit: ConnectionPermit,
    ) -> Response {
        let Some(registration) = self.subscribers.register() else {
            let message = "subscriber limit reached; try again later";
            return error(StatusCode::SERVICE_UNAVAILABLE, "TooManySubscribers", message);
        };
        spawn_local(async move {
            let _place = permit;
            if let Ok(io) = upgraded.await {
                self.subscribe(&registration, subscription);
                websocket::run(TokioIo::new(io), registration).await;
            }
        });
        accepted
    }

    /// Starts the account's side of a subscription. Closes the socket if that panics.
    fn subscribe(&self, registration: &Registration, subscription: Subscription) {
        let (pds, subscribers, id) =
            (Rc::clone(&self.pds), Rc::clone(&self.subscribers), registration.id);
        let subscribed = spawn_local(async move { pds.subscribe(id, subscription).await });
        spawn_local(async move {
            if subscribed.await.is_err() {
                subscribers.close(id, None, INTERNAL_ERROR);
            }
        });
    }
}

/// Returns whether the connection stays open after a request.
fn is_kept_alive(request: &Request<Incoming>) -> bool {
    let values = request.headers().get_all(CONNECTION).iter();
    let mut options = values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    request.version() == Version::HTTP_11
        && !options.any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Returns the response to a request without a valid WebSocket handshake.
fn handshake_error(cause: HandshakeError) -> Response {
    if cause == HandshakeError::Key {
        return error(StatusCode::BAD_REQUEST, "InvalidRequest", &cause.to_string());
    }
    let mut response = error(StatusCode::UPGRADE_REQUIRED, "InvalidRequest", &cause.to_string());
    set(&mut response, CONNECTION, "upgrade");
    set(&mut response, UPGRADE, "websocket");
    set(&mut response, SEC_WEBSOCKET_VERSION, "13");
    response
}

/// Returns the response to a request whose handler panicked. The panic hook has logged why.
fn panic_response(pds: &Pds) -> Response {
    let mut response = pds.answer_panic();
    set(&mut response, CONNECTION, "close");
    response
}

/// Returns an XRPC error response.
fn error(status: StatusCode, error: &str, message: &str) -> Response {
    let body = serde_json::json!({ "error": error, "message": message }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "application/json");
    set(&mut response, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    response
}

fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

/// The most connections at a time. Further ones wait in the system's queue. Many systems limit a
/// process to 1,024 open files.
const MAX_CONNECTIONS: u16 = 512;
/// The largest request head: request line and headers. Hyper reads in growing steps and may accept
/// up to twice as much.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The most headers of a request.
const MAX_HEADERS: usize = 100;
/// The time that a client has to send the head of its first request.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be idle between requests. The server announces it, because a proxy
/// that reuses a connection just as it is closed loses the request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// The extra time for requests in flight when the idle timeout ends.
const IDLE_GRACE: Duration = Duration::from_secs(5);
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// The pause after the system refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The time that requests have to finish when the server stops. Docker waits for ten seconds.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// Close codes of <https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1>.
const GOING_AWAY: u16 = 1001;
const INTERNAL_ERROR: u16 = 1011;

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use core::sync::atomic::Ordering;

    use nacre_pds::config::{Config, new_account};
    use nacre_pds::host::{Clock, Host, Level, RustEs256};
    use nacre_pds::sqlite::Sqlite;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::net::TcpStream;
    use tokio::task::{LocalSet, yield_now};
    use tokio::time::Instant;

    use super::super::compute::BlockingThreads;
    use super::super::http_client::HttpClient;
    use super::super::output_gate::tests::TestLog;
    use super::super::sockets::MAX_SUBSCRIBERS;
    use super::super::system::SystemRng;
    use super::*;
    use crate::logging::ProcessLog;

    /// A clock that panics while it is broken.
    #[derive(Default)]
    struct FragileClock(Cell<bool>);

    impl Clock for FragileClock {
        fn now_micros(&self) -> u64 {
            assert!(!self.0.get(), "the clock is broken");
            1_800_000_000_000_000
        }
    }

    struct Running {
        server: Rc<Server>,
        clock: Rc<FragileClock>,
        listener: TcpListener,
    }

    async fn open() -> Running {
        open_behind(Rc::default()).await
    }

    async fn open_behind(gate: Rc<OutputGate>) -> Running {
        let vars = new_account("pds.test", "alice.test", "password", &SystemRng).unwrap();
        let var = |name: &str| vars.iter().find(|var| var.0 == name).map(|var| var.1.clone());
        let clock = Rc::new(FragileClock::default());
        let sockets = Rc::new(Subscribers::new(Rc::clone(&gate)));
        // No test here uses it.
        let blobs = BlobFolder::new("blobs".into());
        let alarm = Rc::new(ProcessAlarm::default());
        let host = Host {
            sql: Rc::new(Sqlite::in_memory().unwrap()),
            sockets: Rc::<Subscribers>::clone(&sockets),
            clock: Rc::<FragileClock>::clone(&clock),
            rng: Rc::new(SystemRng),
            es256: Rc::new(RustEs256),
            compute: Rc::new(BlockingThreads::default()),
            log: Rc::new(ProcessLog { level: Level::Error }),
            blobs: Rc::new(blobs.clone()),
            owner_marker: None,
            alarm: Rc::<ProcessAlarm>::clone(&alarm),
            http: Rc::new(HttpClient::default()),
        };
        let pds = Pds::open(host, Config::from_vars(var).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Running {
            server: Rc::new(Server::new(
                Rc::new(pds),
                sockets,
                blobs,
                alarm,
                gate,
                AddressSource::Connection,
            )),
            clock,
            listener,
        }
    }

    /// Sends a request on a new connection.
    async fn send(address: core::net::SocketAddr, request: &str) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = request.replace('\n', "\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        client
    }

    async fn receive(mut client: TcpStream) -> String {
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    const LOGIN: &str = "POST /xrpc/com.atproto.server.createSession HTTP/1.1\nhost: localhost\n\
        content-type: application/json\ncontent-length: 43\n\n\
        {\"identifier\":\"bob.test\",\"password\":\"none\"}";
    const HEALTH: &str = "GET /xrpc/_health HTTP/1.1\nhost: localhost\nconnection: close\n\n";
    const SUBSCRIBE: &str = "GET /xrpc/com.atproto.sync.subscribeRepos HTTP/1.1\n\
        host: localhost\nconnection: upgrade, close\nupgrade: websocket\n\
        sec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\n\n";

    #[tokio::test]
    async fn panic_fails_only_its_own_request() {
        let Running { server, clock, listener } = open().await;
        let address = listener.local_addr().unwrap();
        let clients = async {
            clock.0.set(true);
            let answer = receive(send(address, LOGIN).await).await;
            assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
            assert!(answer.contains("connection: close"), "{answer}");
            assert!(answer.contains(r#"{"error":"InternalServerError""#), "{answer}");
            clock.0.set(false);
            let answer = receive(send(address, HEALTH).await).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        };
        let serving = LocalSet::new();
        serving.spawn_local(server.accept(listener));
        serving.run_until(clients).await;
    }

    /// Serves one connection, whose client end is passed to `client`.
    async fn with_connection<F: Future>(client: impl FnOnce(DuplexStream) -> F) -> F::Output {
        let Running { server, .. } = open().await;
        let (ours, theirs) = duplex(64 * 1024);
        let permit = Rc::new(Arc::clone(&server.connection_slots).acquire_owned().await.unwrap());
        let serving = LocalSet::new();
        serving.spawn_local(server.connection(ours, IpAddr::from([192, 0, 2, 1]), permit));
        serving.run_until(client(theirs)).await
    }

    #[tokio::test(start_paused = true)]
    async fn connection_without_a_request_is_closed_after_30_seconds() {
        for begun in ["", "GET / HT"] {
            let started = Instant::now();
            let answer = with_connection(|mut client| async move {
                client.write_all(begun.as_bytes()).await.unwrap();
                let mut answer = Vec::new();
                client.read_to_end(&mut answer).await.map(|_| answer)
            });
            assert_eq!(answer.await.unwrap(), b"");
            let waited = started.elapsed();
            assert!((FIRST_HEAD_TIMEOUT..IDLE_TIMEOUT).contains(&waited), "{waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_stays_open_for_the_announced_time() {
        let request = b"GET /xrpc/_health HTTP/1.1\r\nhost: localhost\r\n\r\n";
        let answer = with_connection(|mut client| async move {
            for _ in 0..3 {
                client.write_all(request).await.unwrap();
                let mut answer = vec![0; 4_096];
                let count = client.read(&mut answer).await.unwrap();
                let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                assert!(answer.contains("keep-alive: timeout=90"), "{answer}");
                sleep(IDLE_TIMEOUT).await;
            }
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.map(|_| rest)
        });
        assert_eq!(answer.await.unwrap(), b"", "the connection stayed open");
    }

    #[tokio::test]
    async fn refused_body_is_drained_and_the_connection_stays_open() {
        let head = "POST /xrpc/com.atproto.sync.requestCrawl HTTP/1.1\r\nhost: localhost\r\n\
            content-type: application/json\r\n";
        let body = vec![b'{'; 5_000_000];
        for (more, status) in [("", 413), ("content-encoding: br\r\n", 415)] {
            let request = format!("{head}{more}content-length: {}\r\n\r\n", body.len());
            let body = &body;
            let answers = with_connection(|mut client| async move {
                // Sends everything before it reads.
                client.write_all(request.as_bytes()).await.unwrap();
                client.write_all(body).await.unwrap();
                client.write_all(HEALTH.replace('\n', "\r\n").as_bytes()).await.unwrap();
                let mut answers = String::new();
                client.read_to_string(&mut answers).await.unwrap();
                answers
            });
            let answers = answers.await;
            assert!(answers.starts_with(&format!("HTTP/1.1 {status} ")), "{answers}");
            assert!(answers.contains("HTTP/1.1 200 "), "{answers}");
        }
    }

    #[tokio::test]
    async fn refused_request_gets_no_100_continue() {
        let request = b"POST /xrpc/com.atproto.sync.requestCrawl HTTP/1.1\r\nhost: localhost\r\n\
            content-encoding: br\r\ncontent-length: 5000000\r\nexpect: 100-continue\r\n\r\n";
        let answer = with_connection(|mut client| async move {
            client.write_all(request).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.map(|_| answer)
        });
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    }

    #[tokio::test]
    async fn connection_waits_for_a_free_slot() {
        let Running { server, listener, .. } = open().await;
        let address = listener.local_addr().unwrap();
        let all = u32::from(MAX_CONNECTIONS);
        let taken = Arc::clone(&server.connection_slots).acquire_many_owned(all).await.unwrap();
        let clients = async {
            let client = send(address, HEALTH).await;
            for _ in 0..100 {
                yield_now().await;
            }
            assert!(client.try_read(&mut [0]).is_err(), "served without a free slot");
            drop(taken);
            assert!(receive(client).await.starts_with("HTTP/1.1 200 "));
        };
        let serving = LocalSet::new();
        serving.spawn_local(server.accept(listener));
        serving.run_until(clients).await;
    }

    #[tokio::test]
    async fn subscriber_over_the_limit_is_refused_with_503() {
        let Running { server, listener, .. } = open().await;
        let address = listener.local_addr().unwrap();
        let subscribers = Rc::clone(&server.subscribers);
        let clients = async {
            let mut members: Vec<_> =
                (0..MAX_SUBSCRIBERS).map(|_| subscribers.register()).collect();
            let answer = receive(send(address, SUBSCRIBE).await).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            members.pop();
            let mut client = send(address, SUBSCRIBE).await;
            let mut answer = [0; 12];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 101");
        };
        let serving = LocalSet::new();
        serving.spawn_local(server.accept(listener));
        serving.run_until(clients).await;
    }

    #[tokio::test]
    async fn failed_sync_stops_the_server() {
        let (log, disk) = TestLog::new();
        let Running { server, .. } =
            open_behind(Rc::new(OutputGate::new(Arc::<TestLog>::clone(&log)))).await;
        let server = Rc::into_inner(server).unwrap();
        log.commits.store(1, Ordering::SeqCst);
        disk.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        let serving = super::super::serve(server, Vec::new(), || {});
        let ended = LocalSet::new().run_until(serving).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[tokio::test]
    async fn responses_and_frames_wait_until_commits_are_on_disk() {
        let (log, disk) = TestLog::new();
        let gate = Rc::new(OutputGate::new(Arc::<TestLog>::clone(&log)));
        let Running { server, listener, .. } = open_behind(gate).await;
        let address = listener.local_addr().unwrap();
        let subscribers = Rc::clone(&server.subscribers);
        let clients = async {
            let mut watching = send(address, SUBSCRIBE).await;
            let mut head = [0; 12];
            watching.read_exact(&mut head).await.unwrap();
            while subscribers.list().is_empty() {
                yield_now().await;
            }
            log.commits.store(1, Ordering::SeqCst);
            subscribers.send(&subscribers.list(), b"the frame of the write");
            let asking = send(address, HEALTH).await;
            while log.syncs.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
            for _ in 0..100 {
                yield_now().await;
            }
            assert!(asking.try_read(&mut [0]).is_err(), "the response did not wait");
            let mut seen = vec![0; 4096];
            let count = watching.try_read(&mut seen).unwrap_or(0);
            let seen = String::from_utf8_lossy(&seen[..count]).into_owned();
            assert!(!seen.contains("the frame"), "the frame did not wait: {seen}");
            disk.send(Ok(())).unwrap();
            assert!(receive(asking).await.starts_with("HTTP/1.1 200 "));
            let mut rest = Vec::new();
            while !String::from_utf8_lossy(&rest).contains("the frame of the write") {
                watching.read_buf(&mut rest).await.unwrap();
            }
        };
        let serving = LocalSet::new();
        let syncing = Rc::clone(&server);
        serving.spawn_local(async move { syncing.run_output_gate().await });
        serving.spawn_local(server.accept(listener));
        serving.run_until(clients).await;
    }
}
