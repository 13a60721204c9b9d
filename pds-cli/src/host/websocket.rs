//! WebSockets: the handshake, and the task that serves one subscriber.
//!
//! Specification: <https://www.rfc-editor.org/rfc/rfc6455>.

use core::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request};
use nacre_pds::body::{Body, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::sockets::{CloseRequest, Registration, Subscriber};

/// Why a request does not open a WebSocket.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The key is not 16 bytes of base64.
    #[error("Sec-WebSocket-Key must be 16 bytes in base64")]
    Key,
    /// The request does not ask for an upgrade to a WebSocket.
    #[error("this method requires a WebSocket")]
    NoUpgrade,
    /// The client uses another version of the protocol.
    #[error("Sec-WebSocket-Version must be 13")]
    Version,
}

/// Returns the response that accepts the opening handshake of a request.
pub(crate) fn accept<B>(request: &Request<B>) -> Result<Response, HandshakeError> {
    use ProtocolError::{InvalidSecWebSocketKey, MissingSecWebSocketKey};
    if !request.headers().contains_key(UPGRADE) {
        return Err(HandshakeError::NoUpgrade);
    }
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.version_mut() = request.version();
    head.headers_mut().clone_from(request.headers());
    // Tungstenite reads the first of several lines only.
    let lines = request.headers().get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    let options = lines.collect::<Vec<_>>().join(&b","[..]);
    if let Ok(options) = HeaderValue::try_from(options) {
        head.headers_mut().insert(CONNECTION, options);
    }
    create_response_with_body(&head, Body::default).map_err(|error| match error {
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => HandshakeError::Version,
        Error::Protocol(InvalidSecWebSocketKey | MissingSecWebSocketKey) => HandshakeError::Key,
        _ => HandshakeError::NoUpgrade,
    })
}

/// Serves one subscriber on an upgraded connection until either side closes it.
pub(crate) async fn run<S>(io: S, registration: Registration)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_INCOMING_BYTES))
        .max_frame_size(Some(MAX_INCOMING_BYTES));
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let subscriber = &*registration.subscriber;
    let close_request = select! {
        biased;
        close_request = subscriber.close_request() => Some(close_request),
        () = receive(&mut stream) => None,
        () = send_messages(&mut sink, subscriber) => None,
    };
    if let Some(close_request) = close_request {
        // A client that does not answer in time is disconnected.
        let _ = timeout(CLOSE_TIMEOUT, close(&mut sink, &mut stream, close_request)).await;
    }
}

/// Sends queued messages as they arrive, and pings while the queue is empty. Returns when sending
/// fails.
async fn send_messages<S>(sink: &mut Sink<S>, subscriber: &Subscriber)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        while let Some(message) = subscriber.next().await {
            if sink.feed(Message::Binary(message)).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
        // Proxies drop idle connections, and a client that vanished is only detected by sending to
        // it.
        while timeout(PING_INTERVAL, subscriber.filled()).await.is_err() {
            if sink.send(Message::Ping(Bytes::new())).await.is_err() {
                return;
            }
        }
    }
}

/// Reads and ignores messages until the client disconnects. Reading also answers its pings and its
/// close frame.
async fn receive<S>(stream: &mut SplitStream<WebSocketStream<S>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(_)) = stream.next().await {}
}

/// Sends the close frame and waits for the client's.
async fn close<S>(
    sink: &mut Sink<S>,
    stream: &mut SplitStream<WebSocketStream<S>>,
    close_request: CloseRequest,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = CloseFrame { code: close_request.code.into(), reason: "".into() };
    let sent = async {
        if let Some(last) = close_request.last {
            sink.feed(Message::Binary(last)).await?;
        }
        sink.send(Message::Close(Some(frame))).await
    };
    if sent.await.is_ok() {
        receive(stream).await;
    }
}

type Sink<S> = SplitSink<WebSocketStream<S>, Message>;

/// The largest message that a subscriber may send.
const MAX_INCOMING_BYTES: usize = 64 * 1024;
/// The time without a message after which a ping is sent.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// The time that a client has to read the last message and answer the close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;

    use nacre_pds::host::Sockets as _;
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::{JoinHandle, LocalSet, spawn_local};

    use super::super::sockets::Subscribers;
    use super::*;

    type Client = WebSocketStream<DuplexStream>;

    /// Connects a client to a new subscriber over a connection that buffers one kibibyte.
    async fn connect() -> (Rc<Subscribers>, Client, JoinHandle<()>) {
        let subscribers = Rc::new(Subscribers::default());
        let (ours, theirs) = duplex(1024);
        let serving = spawn_local(run(ours, subscribers.register().unwrap()));
        (subscribers, WebSocketStream::from_raw_socket(theirs, Role::Client, None).await, serving)
    }

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    /// The key of the specification's example.
    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const CONNECTION: (&str, &str) = ("connection", "keep-alive, Upgrade");
    const UPGRADE: (&str, &str) = ("upgrade", "WebSocket");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");

    #[test]
    fn accept_value_matches_the_specification() {
        let accepted = accept(&request(&[CONNECTION, UPGRADE, VERSION, KEY])).unwrap();
        assert_eq!(accepted.status(), 101);
        assert_eq!(accepted.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn connection_options_may_be_on_several_lines() {
        let keep_alive = ("connection", "keep-alive");
        for lines in [[keep_alive, CONNECTION], [CONNECTION, keep_alive]] {
            let headers = [&lines[..], &[UPGRADE, VERSION, KEY]].concat();
            assert_eq!(accept(&request(&headers)).unwrap().status(), 101);
        }
    }

    #[test]
    fn incomplete_handshakes_are_refused() {
        let short = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25j");
        let old = ("sec-websocket-version", "8");
        let table: [(&[_], _); 8] = [
            (&[], HandshakeError::NoUpgrade),
            (&[UPGRADE, VERSION, KEY], HandshakeError::NoUpgrade),
            (&[CONNECTION, VERSION, KEY], HandshakeError::NoUpgrade),
            (&[CONNECTION, ("upgrade", "h2c"), VERSION, KEY], HandshakeError::NoUpgrade),
            (&[CONNECTION, UPGRADE, KEY], HandshakeError::Version),
            (&[CONNECTION, UPGRADE, old, KEY], HandshakeError::Version),
            (&[CONNECTION, UPGRADE, VERSION], HandshakeError::Key),
            (&[CONNECTION, UPGRADE, VERSION, short], HandshakeError::Key),
        ];
        for (headers, error) in table {
            assert_eq!(accept(&request(headers)).unwrap_err(), error, "{headers:?}");
        }
        let mut request = request(&[CONNECTION, UPGRADE, VERSION, KEY]);
        *request.version_mut() = http::Version::HTTP_10;
        assert_eq!(accept(&request).unwrap_err(), HandshakeError::NoUpgrade);
    }

    #[tokio::test]
    async fn messages_arrive_in_order_and_pings_are_answered() {
        LocalSet::new()
            .run_until(async {
                let (subscribers, mut client, serving) = connect().await;
                let messages = [vec![1; 10], vec![2; 300_000], vec![], vec![3; 10]];
                for message in &messages {
                    subscribers.send(&subscribers.list(), message);
                }
                client.send(Message::Ping("ping".into())).await.unwrap();
                let mut pongs = 0;
                let mut received = Vec::new();
                while received.len() < messages.len() || pongs == 0 {
                    match client.next().await.unwrap().unwrap() {
                        Message::Binary(message) => received.push(message.to_vec()),
                        Message::Pong(text) => pongs += usize::from(text == "ping"),
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!(received, messages);
                client.close(None).await.unwrap();
                while client.next().await.is_some() {}
                serving.await.unwrap();
                assert!(subscribers.list().is_empty());
            })
            .await;
    }

    #[tokio::test]
    async fn closing_a_slow_client_sends_the_last_message_and_drops_the_queue() {
        LocalSet::new()
            .run_until(async {
                let (subscribers, mut client, serving) = connect().await;
                for number in 0..4 {
                    subscribers.send(&subscribers.list(), &[number; 300_000]);
                }
                // The first message fills the connection before the socket is closed.
                assert_eq!(client.next().await.unwrap().unwrap().len(), 300_000);
                subscribers.close(subscribers.list()[0], Some(b"last"), 1008);
                let mut rest = Vec::new();
                while let Some(Ok(message)) = client.next().await {
                    rest.push(message);
                }
                assert!(rest.len() < 5, "the queue was not dropped");
                let Some(Message::Close(Some(frame))) = rest.pop() else { panic!("no close") };
                assert_eq!(u16::from(frame.code), 1008);
                assert_eq!(rest.pop(), Some(Message::Binary("last".into())));
                serving.await.unwrap();
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn closing_does_not_wait_for_a_client_that_never_reads() {
        LocalSet::new()
            .run_until(async {
                let (subscribers, client, serving) = connect().await;
                subscribers.send(&subscribers.list(), &[0; 300_000]);
                subscribers.close(subscribers.list()[0], None, 1001);
                serving.await.unwrap();
                drop(client);
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn idle_stream_sends_pings() {
        LocalSet::new()
            .run_until(async {
                let (subscribers, mut client, serving) = connect().await;
                let start = tokio::time::Instant::now();
                for count in 1..4 {
                    assert!(client.next().await.unwrap().unwrap().is_ping());
                    assert_eq!(start.elapsed().as_secs(), count * PING_INTERVAL.as_secs());
                }
                subscribers.send(&subscribers.list(), b"event");
                assert_eq!(client.next().await.unwrap().unwrap(), Message::Binary("event".into()));
                client.close(None).await.unwrap();
                while client.next().await.is_some() {}
                serving.await.unwrap();
            })
            .await;
    }

    #[tokio::test]
    async fn messages_from_clients_are_limited_to_64_kibibytes() {
        LocalSet::new()
            .run_until(async {
                let (subscribers, mut client, serving) = connect().await;
                let whole = vec![0; MAX_INCOMING_BYTES];
                client.send(Message::Binary(whole.into())).await.unwrap();
                client.send(Message::Ping("still here".into())).await.unwrap();
                assert!(client.next().await.unwrap().unwrap().is_pong());
                let more = vec![0; MAX_INCOMING_BYTES + 1];
                // The server may disconnect before it has read the whole message.
                let _ = client.send(Message::Binary(more.into())).await;
                serving.await.unwrap();
                assert!(subscribers.list().is_empty());
            })
            .await;
    }

    #[tokio::test]
    async fn disconnecting_removes_the_socket() {
        LocalSet::new()
            .run_until(async {
                let (subscribers, client, serving) = connect().await;
                drop(client);
                serving.await.unwrap();
                assert!(subscribers.list().is_empty());
            })
            .await;
    }
}
