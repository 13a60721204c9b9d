//! Limits on the responses of other servers.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::header;

use super::error::OutboundError;
use crate::body::{Body, BodyError, Coding, Response};
use crate::text::printable;

/// Limits on a request to another server and on its response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The largest body, in bytes after decoding.
    pub body_bytes: usize,
    /// The content types that a successful response may have, in lower case and without
    /// parameters. Empty for any.
    pub content_types: &'static [&'static str],
    /// The longest time until the head of a response has arrived.
    pub head_time: Duration,
    /// The number of redirects to follow, for GET and HEAD only. A redirect of another method, and
    /// with 0 of any, is a response like others.
    pub redirects: u8,
    /// The longest time until the whole response has arrived, with all redirects.
    pub total_time: Duration,
}

impl Limits {
    /// Checks the type of a response, and returns it with its body decoded and limited in size.
    pub(super) fn apply(&self, mut response: Response) -> Result<Response, OutboundError> {
        if response.status().is_success() && !self.content_types.is_empty() {
            let found = response.headers().get(header::CONTENT_TYPE);
            let found = found.and_then(|value| value.to_str().ok()).unwrap_or_default();
            let essence = found.split(';').next().unwrap_or_default().trim();
            if !self.content_types.iter().any(|allowed| essence.eq_ignore_ascii_case(allowed)) {
                return Err(OutboundError::WrongType(printable(found)));
            }
        }
        let coding = Coding::from_headers(response.headers());
        let coding = coding.map_err(|_| OutboundError::Coding)?;
        if coding != Coding::Identity {
            response.headers_mut().remove(header::CONTENT_ENCODING);
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        Ok(response.map(|body| limited(body.decoded(coding), self.body_bytes)))
    }
}

/// Reads the whole body of a response.
///
/// # Errors
///
/// [`OutboundError`] if the body does not arrive, or exceeds the limits of the request.
pub async fn collect(response: Response) -> Result<http::Response<Bytes>, OutboundError> {
    let (parts, body) = response.into_parts();
    Ok(http::Response::from_parts(parts, body.collect(usize::MAX).await?))
}

fn limited(body: Body, limit: usize) -> Body {
    match body {
        Body::Empty => Body::Empty,
        body => Body::Stream(Box::pin(Limited { body, left: limit, limit })),
    }
}

/// A body that fails once it exceeds its limit. The rest is not read.
struct Limited {
    body: Body,
    left: usize,
    limit: usize,
}

impl Stream for Limited {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = ready!(self.body.poll_piece(context));
        if let Some(Ok(piece)) = &piece {
            match self.left.checked_sub(piece.len()) {
                Some(left) => self.left = left,
                None => {
                    self.body = Body::Empty;
                    return Poll::Ready(Some(Err(BodyError::TooLarge(self.limit))));
                }
            }
        }
        Poll::Ready(piece)
    }
}
