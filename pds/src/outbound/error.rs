//! Why a request to another server failed.

use super::url::UrlError;
use crate::body::BodyError;
use crate::host::HttpError;

/// Why a request to another server has no response. The messages are for the operator.
///
/// `Blocked` and `Refused` are the fault of whoever chose the URL, all others that of the other
/// server.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The host name of the URL has an address that is not public.
    #[error("address not allowed: {0}")]
    Blocked(String),
    /// The body does not match its `Content-Encoding`, or the encoding is not supported.
    #[error("the response has an invalid or unsupported Content-Encoding")]
    Coding,
    /// The server is unreachable, does not speak HTTP, or broke off.
    #[error("no response: {0}")]
    Failed(String),
    /// The server redirects to a URL that is not allowed.
    #[error("redirect not allowed: {0}")]
    Redirect(UrlError),
    /// The URL is not allowed. Nothing was sent.
    #[error("URL not allowed: {0}")]
    Refused(UrlError),
    /// The body exceeds the limit.
    #[error("the response is too large")]
    TooLarge,
    /// The server redirects more often than allowed.
    #[error("too many redirects")]
    TooManyRedirects,
    /// The time limit passed.
    #[error("the request timed out")]
    TimedOut,
    /// The response has another content type than expected.
    #[error("unexpected content type \"{0}\"")]
    WrongType(String),
}

impl From<BodyError> for OutboundError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Coding => Self::Coding,
            BodyError::Interrupted(problem) => Self::Failed(problem),
            BodyError::TimedOut => Self::TimedOut,
            BodyError::TooLarge(_) => Self::TooLarge,
        }
    }
}

impl From<HttpError> for OutboundError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Blocked(problem) => Self::Blocked(problem),
            HttpError::Failed(problem) => Self::Failed(problem),
            HttpError::TimedOut => Self::TimedOut,
        }
    }
}
