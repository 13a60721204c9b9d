//! WebSockets: the handshake, and the task that serves one subscriber.
//!
//! Specification: <https://www.rfc-editor.org/rfc/rfc6455>.

use core::time::Duration;

use data_encoding::BASE64;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderName, Request, Version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::sockets::{Farewell, Membership, Subscriber};

/// The opening handshake of a client that asks for a WebSocket as it should.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Handshake {
    /// What `Sec-WebSocket-Accept` says in the answer.
    pub(crate) accept: String,
}

/// Why a request does not open a WebSocket.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The key is not 16 bytes of base64.
    #[error("Sec-WebSocket-Key is not 16 bytes in base64")]
    Key,
    /// The request does not ask for a WebSocket.
    #[error("this method is a WebSocket")]
    NoUpgrade,
    /// The client speaks another version of the protocol.
    #[error("Sec-WebSocket-Version is not 13")]
    Version,
}

impl Handshake {
    /// Reads the handshake from a request's headers.
    pub(crate) fn read<B>(request: &Request<B>) -> Result<Self, HandshakeError> {
        let headers = request.headers();
        let upgrade = request.version() == Version::HTTP_11
            && names(headers, &CONNECTION, "upgrade")
            && names(headers, &UPGRADE, "websocket");
        if !upgrade {
            return Err(HandshakeError::NoUpgrade);
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(HandshakeError::Version);
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?.as_bytes();
        if BASE64.decode(key).ok().is_none_or(|key| key.len() != 16) {
            return Err(HandshakeError::Key);
        }
        Ok(Self { accept: derive_accept_key(key) })
    }
}

/// Serves one subscriber on an upgraded connection until either side ends it.
pub(crate) async fn run<S>(io: S, membership: Membership)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_INCOMING_BYTES))
        .max_frame_size(Some(MAX_INCOMING_BYTES));
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let subscriber = &*membership.subscriber;
    let farewell = select! {
        biased;
        farewell = subscriber.farewell() => Some(farewell),
        () = listen(&mut stream) => None,
        () = speak(&mut sink, subscriber) => None,
    };
    if let Some(farewell) = farewell {
        // A client that does not answer is left to itself.
        let _ = timeout(CLOSE_PATIENCE, part(&mut sink, &mut stream, farewell)).await;
    }
}

/// Sends what is queued, and waits for more; returns when sending fails.
async fn speak<S>(sink: &mut Sink<S>, subscriber: &Subscriber)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        while let Some(message) = subscriber.pop() {
            if sink.feed(Message::Binary(message)).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
        subscriber.filled().await;
    }
}

/// Reads until the client goes, which also answers its pings and its close frame.
async fn listen<S>(stream: &mut SplitStream<WebSocketStream<S>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Subscribers have nothing to say: what they send is not looked at.
    while let Some(Ok(_)) = stream.next().await {}
}

/// Closes the socket from this side, and waits for the client to do the same.
async fn part<S>(
    sink: &mut Sink<S>,
    stream: &mut SplitStream<WebSocketStream<S>>,
    farewell: Farewell,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = CloseFrame { code: farewell.code.into(), reason: "".into() };
    let said = async {
        if let Some(last) = farewell.last {
            sink.feed(Message::Binary(last)).await?;
        }
        sink.send(Message::Close(Some(frame))).await
    };
    if said.await.is_ok() {
        listen(stream).await;
    }
}

/// Returns whether a header that lists words has this one.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|found| found.trim().eq_ignore_ascii_case(word))
}

type Sink<S> = SplitSink<WebSocketStream<S>, Message>;

/// The largest message that a subscriber may send: it has no reason to send any.
const MAX_INCOMING_BYTES: usize = 64 * 1024;
/// How long a client may take to read the last message and answer the close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
