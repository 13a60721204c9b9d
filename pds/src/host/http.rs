//! Requests to other servers.

use core::time::Duration;

use bytes::Bytes;
use futures_core::future::LocalBoxFuture;

/// Requests to other servers.
pub trait Http {
    /// Sends a request to an absolute URL and returns the whole response, whatever its status.
    ///
    /// The request is sent once everything written so far is durable. Does not follow redirects and
    /// keeps no cookies. Only call this with operator-configured URLs: private addresses are not
    /// blocked yet.
    fn fetch(
        &self,
        request: ::http::Request<Bytes>,
        limits: FetchLimits,
    ) -> LocalBoxFuture<'static, Result<::http::Response<Bytes>, HttpError>>;
}

/// Limits on a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FetchLimits {
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// The longest time until the whole response has arrived.
    pub time: Duration,
}

/// Why a request got no response. The messages are for the operator.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HttpError {
    /// The server is unreachable or does not speak HTTP.
    #[error("no response: {0}")]
    Failed(String),
    /// The body exceeds the limit.
    #[error("the response is too large")]
    TooLarge,
    /// The time limit passed.
    #[error("the request timed out")]
    TimedOut,
}
