//! Requests to other servers.

use core::time::Duration;

use futures_core::future::LocalBoxFuture;

use crate::body::{Request, Response};

/// Requests to other servers. Only [`Outbound`](crate::outbound::Outbound) calls this.
pub trait Http {
    /// Sends a request and returns the response, whatever its status, once its head has arrived.
    ///
    /// The request is sent once everything written before this call is durable. Both bodies are
    /// streamed. Redirects are not followed, no cookies are kept, and nothing is cached. If the
    /// host decodes the body, it removes the `Content-Encoding` and `Content-Length` headers.
    ///
    /// Dropping the future or the response's body cancels the exchange.
    fn send(
        &self,
        request: OutboundRequest,
    ) -> LocalBoxFuture<'static, Result<Response, HttpError>>;
}

/// A request to another server, with its limits.
#[derive(Debug)]
pub struct OutboundRequest {
    /// The request. Its URL is absolute, with the scheme `http` or `https`.
    pub request: Request,
    /// The addresses that the request may reach.
    pub destination: Destination,
    /// The longest time until the head of the response has arrived.
    pub head_time: Duration,
    /// The longest time until the whole response has arrived. After that, reading its body fails
    /// with [`BodyError::TimedOut`](crate::body::BodyError::TimedOut).
    pub total_time: Duration,
}

/// The addresses that a request may reach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Destination {
    /// This machine only.
    Loopback,
    /// All: the operator chose the URL.
    Operator,
    /// Public addresses only, see [`is_public`](super::is_public): somebody else chose the URL.
    ///
    /// A host that resolves names itself checks all addresses of the name and connects to those,
    /// without resolving it again. Otherwise the name's owner could change its address in between.
    Stranger,
}

/// Why a request got no response. The messages are for the operator.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HttpError {
    /// The host name of the URL has an address that the destination excludes.
    #[error("address not allowed: {0}")]
    Blocked(String),
    /// The server is unreachable or does not speak HTTP.
    #[error("no response: {0}")]
    Failed(String),
    /// The time limit passed.
    #[error("the request timed out")]
    TimedOut,
}
