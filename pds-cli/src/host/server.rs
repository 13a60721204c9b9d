//! Connections and requests: hyper on one side, the account on the other.

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
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{self, OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use nacre_pds::blobs::{Download, Upload};
use nacre_pds::body::{Body, Response};
use nacre_pds::host::Sockets as _;
use nacre_pds::{Pds, Reply, Subscription};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::alarm::ProcessAlarm;
use super::blobs::BlobFolder;
use super::body::{Outgoing, incoming};
use super::compress::Accepts;
use super::gate::Gate;
use super::patience::Patient;
use super::peer::Clients;
use super::sockets::{Membership, Subscribers};
use super::websocket::{self, Handshake, HandshakeError};
use crate::log;

/// The account and who is connected to it.
pub(crate) struct Server {
    pds: Rc<Pds>,
    subscribers: Rc<Subscribers>,
    blobs: BlobFolder,
    alarm: Rc<ProcessAlarm>,
    gate: Rc<Gate>,
    clients: Clients,
    places: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

/// What a task made of a request.
enum Answer {
    Response(Response),
    Upgrade(Subscription),
}

/// A place among the connections: given back when the connection, the last request that came by it
/// and the WebSocket that it became have all ended.
type Place = Rc<OwnedSemaphorePermit>;

impl Server {
    pub(crate) fn new(
        pds: Rc<Pds>,
        subscribers: Rc<Subscribers>,
        blobs: BlobFolder,
        alarm: Rc<ProcessAlarm>,
        gate: Rc<Gate>,
        clients: Clients,
    ) -> Self {
        let places = Arc::new(Semaphore::new(usize::from(MAX_CONNECTIONS)));
        let stop = watch::Sender::new(false);
        Self { pds, subscribers, blobs, alarm, gate, clients, places, stop }
    }

    /// Calls the account when it has something to do by itself, for ever.
    pub(crate) fn tend(&self) -> impl Future<Output = ()> + 'static {
        Rc::clone(&self.alarm).serve(Rc::clone(&self.pds))
    }

    /// Opens the output gate for what the disk holds; returns only when the disk fails.
    pub(crate) async fn sync(&self) -> io::Error {
        self.gate.tend().await
    }

    /// Accepts connections as long as there are places.
    pub(crate) async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = Rc::new(place.expect("nothing closes the semaphore"));
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Responses are written whole; waiting for more would only delay them.
                    let _ = stream.set_nodelay(true);
                    spawn_local(Rc::clone(&self).connection(stream, peer.ip(), place));
                }
                Err(error) => {
                    // The process may be out of files, and is so until a connection ends.
                    log(&format_args!("cannot accept a connection: {error}"));
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Lets every connection finish what it is at, and closes the sockets, within a bounded time.
    pub(crate) async fn drain(&self) {
        self.stop.send_replace(true);
        self.subscribers.close_all(GOING_AWAY);
        let all = self.places.acquire_many(u32::from(MAX_CONNECTIONS));
        if timeout(DRAIN_PATIENCE, all).await.is_err() {
            log(&"some clients did not finish in time");
        }
    }

    /// Serves a connection: its first request must arrive soon, and later ones may take longer, as
    /// proxies keep idle connections for a minute or two.
    async fn connection<S>(self: Rc<Self>, stream: S, peer: IpAddr, place: Place)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut stop = self.stop.subscribe();
        let was_used = Cell::new(false);
        let service = service_fn(|request| {
            was_used.set(true);
            let answer = Rc::clone(&self).answer(request, peer, Rc::clone(&place));
            async { Ok::<_, Infallible>(answer.await.map(Outgoing)) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_TIMEOUT.saturating_add(IDLE_GRACE))
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(Patient::new(stream)), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let unused = async {
            sleep(FIRST_HEAD_TIMEOUT).await;
            if was_used.get() {
                pending::<()>().await;
            }
        };
        // What goes wrong with a connection is its client's business.
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
        place: Place,
    ) -> Response {
        let handshake = Handshake::read(&request);
        let upgraded = upgrade::on(&mut request);
        let accepts = Accepts::of(request.method(), request.headers());
        let is_kept_alive = is_kept_alive(&request);
        let client = self.clients.address(peer, request.headers());
        let (head, body) = request.into_parts();
        let (body, unread) = incoming(body, head.headers.contains_key(EXPECT));
        let request = Request::from_parts(head, body);
        let (server, held) = (Rc::clone(&self), Rc::clone(&place));
        // A task of its own outlives a client that goes away, so that what has begun is finished,
        // and keeps a panic to itself.
        let answered = spawn_local(async move {
            let _held = held;
            let answer = match server.pds.handle(request, Some(client)).await {
                Reply::Response(response) => Answer::Response(accepts.compress(response).await),
                Reply::Download(download) => Answer::Response(server.send(download).await),
                Reply::Upload(upload) => Answer::Response(server.receive(upload).await),
                Reply::Upgrade(subscription) => Answer::Upgrade(subscription),
            };
            // An answer that only reads may tell of what another request has just written.
            server.gate.pass(server.gate.now()).await;
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
                Ok(handshake) => self.upgrade(handshake, upgraded, subscription, place),
                Err(error) => refuse(error),
            },
            Err(_) => broken(),
        }
    }

    /// Sends a blob.
    async fn send(&self, download: Download) -> Response {
        let Download { response, cid, range } = download;
        let Some(range) = range else { return response };
        match self.blobs.read(&cid, range).await {
            Ok(body) => response.map(|_| body),
            Err(error) => self.pds.refuse_download(format!("the blob {cid}: {error}")),
        }
    }

    /// Stores a blob, and tells the account of it.
    async fn receive(&self, mut upload: Upload) -> Response {
        match self.blobs.store(&mut upload).await {
            Ok(received) => self.pds.keep_blob(upload, &received).await,
            Err(error) => self.pds.refuse_blob(&upload, error),
        }
    }

    /// Accepts a WebSocket, and begins to serve it once the client has been told.
    fn upgrade(
        self: Rc<Self>,
        handshake: Handshake,
        upgraded: OnUpgrade,
        subscription: Subscription,
        place: Place,
    ) -> Response {
        let Some(membership) = self.subscribers.join() else {
            return error(StatusCode::SERVICE_UNAVAILABLE, "TooManySubscribers", "try again later");
        };
        spawn_local(async move {
            let _place = place;
            if let Ok(io) = upgraded.await {
                self.subscribe(&membership, subscription);
                websocket::run(TokioIo::new(io), membership).await;
            }
        });
        let mut response = Response::default();
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        set(&mut response, CONNECTION, "upgrade");
        set(&mut response, UPGRADE, "websocket");
        if let Ok(accept) = HeaderValue::try_from(handshake.accept) {
            response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        response
    }

    /// Starts the server's part of a subscription beside the task that serves the socket.
    fn subscribe(&self, membership: &Membership, subscription: Subscription) {
        let (pds, subscribers, id) =
            (Rc::clone(&self.pds), Rc::clone(&self.subscribers), membership.id);
        let subscribed = spawn_local(async move { pds.subscribe(id, subscription).await });
        spawn_local(async move {
            if subscribed.await.is_err() {
                subscribers.close(id, None, INTERNAL_ERROR);
            }
        });
    }
}

/// Tells whether the connection goes on after a request.
fn is_kept_alive(request: &Request<Incoming>) -> bool {
    let values = request.headers().get_all(CONNECTION).iter();
    let mut options = values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    request.version() == Version::HTTP_11
        && !options.any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Answers a request that a WebSocket was expected of.
fn refuse(why: HandshakeError) -> Response {
    if why == HandshakeError::Key {
        return error(StatusCode::BAD_REQUEST, "InvalidRequest", &why.to_string());
    }
    let mut response = error(StatusCode::UPGRADE_REQUIRED, "InvalidRequest", &why.to_string());
    set(&mut response, CONNECTION, "upgrade");
    set(&mut response, UPGRADE, "websocket");
    set(&mut response, SEC_WEBSOCKET_VERSION, "13");
    response
}

/// Answers a request whose handler panicked, of which the panic itself told the log.
fn broken() -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let mut response = error(status, "InternalServerError", "Internal Server Error");
    set(&mut response, CONNECTION, "close");
    response
}

/// Makes an error in the form of XRPC.
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

/// The most connections at a time; the next ones wait in the system's queue. Many systems let a
/// process have 1,024 open files.
const MAX_CONNECTIONS: u16 = 512;
/// The largest request line and headers together; hyper, which reads in growing steps, may take up
/// to twice as much.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The most headers of a request.
const MAX_HEADERS: usize = 100;
/// How long a client may take to send the headers of its first request.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be idle between requests, as clients are told. A proxy that keeps it
/// for longer than the server does loses the request that it sends just then.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// For requests that are on their way when that time is over.
const IDLE_GRACE: Duration = Duration::from_secs(5);
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// How long to wait after the system refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests may take to finish when the server stops; Docker waits for ten seconds.
const DRAIN_PATIENCE: Duration = Duration::from_secs(8);
/// Close codes of <https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1>.
const GOING_AWAY: u16 = 1001;
const INTERNAL_ERROR: u16 = 1011;

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use core::sync::atomic::Ordering;

    use nacre_pds::config::{Config, new_account};
    use nacre_pds::host::{Clock, Host};
    use nacre_pds::sqlite::Sqlite;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::net::TcpStream;
    use tokio::task::{LocalSet, yield_now};
    use tokio::time::Instant;

    use super::super::gate::tests::TestLog;
    use super::super::http::HttpClient;
    use super::super::sockets::MAX_SUBSCRIBERS;
    use super::super::system::{SystemLog, SystemRng};
    use super::*;

    /// A clock that panics once it is broken.
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

    async fn open_behind(gate: Rc<Gate>) -> Running {
        let vars = new_account("pds.test", "alice.test", "password", &SystemRng).unwrap();
        let var = |name: &str| vars.iter().find(|var| var.0 == name).map(|var| var.1.clone());
        let clock = Rc::new(FragileClock::default());
        let sockets = Rc::new(Subscribers::new(Rc::clone(&gate)));
        // None of these tests sends any.
        let blobs = BlobFolder::new("blobs".into());
        let alarm = Rc::new(ProcessAlarm::default());
        let host = Host {
            sql: Rc::new(Sqlite::in_memory().unwrap()),
            sockets: Rc::<Subscribers>::clone(&sockets),
            clock: Rc::<FragileClock>::clone(&clock),
            rng: Rc::new(SystemRng),
            log: Rc::new(SystemLog),
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
                Clients::Direct,
            )),
            clock,
            listener,
        }
    }

    /// Sends a request on a connection of its own.
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
    async fn a_panic_is_one_clients_error() {
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

    /// Serves one connection, to whose client end `client` speaks.
    async fn with_connection<F: Future>(client: impl FnOnce(DuplexStream) -> F) -> F::Output {
        let Running { server, .. } = open().await;
        let (ours, theirs) = duplex(64 * 1024);
        let place = Rc::new(Arc::clone(&server.places).acquire_owned().await.unwrap());
        let serving = LocalSet::new();
        serving.spawn_local(server.connection(ours, IpAddr::from([192, 0, 2, 1]), place));
        serving.run_until(client(theirs)).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_is_closed_after_30_seconds() {
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
    async fn an_idle_connection_takes_requests_for_as_long_as_announced() {
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
        assert_eq!(answer.await.unwrap(), b"", "and is closed in the end");
    }

    #[tokio::test]
    async fn a_client_that_sends_a_refused_body_gets_the_answer_and_keeps_the_connection() {
        let head = "POST /xrpc/com.atproto.sync.requestCrawl HTTP/1.1\r\nhost: localhost\r\n\
            content-type: application/json\r\n";
        let body = vec![b'{'; 5_000_000];
        for (more, status) in [("", 413), ("content-encoding: br\r\n", 415)] {
            let request = format!("{head}{more}content-length: {}\r\n\r\n", body.len());
            let body = &body;
            let answers = with_connection(|mut client| async move {
                // All of it is sent before anything is read.
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
    async fn a_refused_body_that_waits_for_100_continue_is_not_asked_for() {
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
    async fn a_connection_waits_for_a_place() {
        let Running { server, listener, .. } = open().await;
        let address = listener.local_addr().unwrap();
        let all = u32::from(MAX_CONNECTIONS);
        let taken = Arc::clone(&server.places).acquire_many_owned(all).await.unwrap();
        let clients = async {
            let client = send(address, HEALTH).await;
            for _ in 0..100 {
                yield_now().await;
            }
            assert!(client.try_read(&mut [0]).is_err(), "there is no place yet");
            drop(taken);
            assert!(receive(client).await.starts_with("HTTP/1.1 200 "));
        };
        let serving = LocalSet::new();
        serving.spawn_local(server.accept(listener));
        serving.run_until(clients).await;
    }

    #[tokio::test]
    async fn a_subscriber_too_many_is_told_to_come_back() {
        let Running { server, listener, .. } = open().await;
        let address = listener.local_addr().unwrap();
        let subscribers = Rc::clone(&server.subscribers);
        let clients = async {
            let mut members: Vec<_> = (0..MAX_SUBSCRIBERS).map(|_| subscribers.join()).collect();
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
    async fn a_disk_that_fails_ends_the_server() {
        let (log, disk) = TestLog::new();
        let Running { server, .. } =
            open_behind(Rc::new(Gate::new(Arc::<TestLog>::clone(&log)))).await;
        let server = Rc::into_inner(server).unwrap();
        log.commits.store(1, Ordering::SeqCst);
        disk.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        let serving = super::super::serve(server, Vec::new(), || {});
        let ended = LocalSet::new().run_until(serving).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[tokio::test]
    async fn nothing_leaves_before_the_disk_holds_what_was_written() {
        let (log, disk) = TestLog::new();
        let gate = Rc::new(Gate::new(Arc::<TestLog>::clone(&log)));
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
            assert!(asking.try_read(&mut [0]).is_err(), "the answer waits");
            let mut seen = vec![0; 4096];
            let count = watching.try_read(&mut seen).unwrap_or(0);
            let seen = String::from_utf8_lossy(&seen[..count]).into_owned();
            assert!(!seen.contains("the frame"), "the frame waits: {seen}");
            disk.send(Ok(())).unwrap();
            assert!(receive(asking).await.starts_with("HTTP/1.1 200 "));
            let mut rest = Vec::new();
            while !String::from_utf8_lossy(&rest).contains("the frame of the write") {
                watching.read_buf(&mut rest).await.unwrap();
            }
        };
        let serving = LocalSet::new();
        let syncing = Rc::clone(&server);
        serving.spawn_local(async move { syncing.sync().await });
        serving.spawn_local(server.accept(listener));
        serving.run_until(clients).await;
    }
}
