//! Bodies: empty, bytes in memory, or a stream that can be read once.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::stream::LocalBoxStream;

/// A request, as a host passes it in.
pub type Request = http::Request<Body>;

/// A response as a host sends it.
pub type Response = http::Response<Body>;

/// The body of a request or a response.
#[derive(Default)]
pub enum Body {
    /// No body.
    #[default]
    Empty,
    /// A body in memory.
    Bytes(Bytes),
    /// A body that arrives in pieces.
    Stream(LocalBoxStream<'static, Result<Bytes, BodyError>>),
}

/// Why a body could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The bytes do not decode as the `Content-Encoding` header says.
    #[error("the body does not match its Content-Encoding")]
    Coding,
    /// The sender disconnected or broke the framing.
    #[error("the body ended early: {0}")]
    Interrupted(String),
    /// The time limit passed.
    #[error("the body took too long")]
    TimedOut,
    /// The body is larger than the caller allows.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
}

impl Body {
    /// Reads the next piece, of any size. Returns `None` at the end.
    pub async fn next_piece(&mut self) -> Option<Result<Bytes, BodyError>> {
        poll_fn(|context| self.poll_piece(context)).await
    }

    /// Polls for the next piece. Returns `None` at the end.
    pub fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Bytes(bytes) => {
                let bytes = core::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(bytes)))
            }
            Self::Stream(stream) => stream.as_mut().poll_next(context),
        }
    }

    /// Reads and discards up to `limit` bytes.
    ///
    /// Many clients read the response only after they have sent the whole request.
    pub(crate) async fn drain(&mut self, limit: usize) {
        let mut left = limit;
        while let Some(Ok(piece)) = self.next_piece().await
            && let Some(rest) = left.checked_sub(piece.len())
        {
            left = rest;
        }
    }

    /// Reads the whole body, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLarge`] as soon as the limit is exceeded, without reading further.
    pub async fn collect(self, limit: usize) -> Result<Bytes, BodyError> {
        let mut stream = match self {
            Self::Empty => return Ok(Bytes::new()),
            Self::Bytes(bytes) if bytes.len() > limit => return Err(BodyError::TooLarge(limit)),
            Self::Bytes(bytes) => return Ok(bytes),
            Self::Stream(stream) => stream,
        };
        let mut whole = BytesMut::new();
        while let Some(piece) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
            let piece = piece?;
            if whole.len().saturating_add(piece.len()) > limit {
                return Err(BodyError::TooLarge(limit));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Bytes(Bytes::from(text))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Bytes::from(bytes))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Bytes(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
