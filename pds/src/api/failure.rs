//! Failed calls.

use alloc::borrow::Cow;
use core::error::Error;

use http::StatusCode;
use nacre_xrpc::XrpcError;

use crate::body::Response;
use crate::host::{Log, with_causes};
use crate::http::typed;

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server's fault. The cause is logged, and the client learns nothing of it.
    Fault(String),
    /// The client's fault. The client is told why.
    Refused(XrpcError),
}

impl Failure {
    /// Makes a fault of an error and its causes.
    pub(crate) fn fault(error: impl Error) -> Self {
        Self::Fault(with_causes(&error))
    }

    /// Returns the response, and logs the cause of a fault.
    pub(crate) fn into_response(self, log: &dyn Log) -> Response {
        let error = match self {
            Self::Fault(cause) => {
                log.error(&cause);
                XrpcError::internal()
            }
            Self::Refused(error) => error,
        };
        let status = StatusCode::from_u16(error.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        typed(status, JSON, error.to_json().into())
    }
}

impl From<XrpcError> for Failure {
    fn from(error: XrpcError) -> Self {
        Self::Refused(error)
    }
}

/// Returns the refusal of a call that does not match its method's definition.
pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> XrpcError {
    XrpcError::invalid_request(message)
}

/// The content type of JSON responses.
pub(crate) const JSON: &str = "application/json; charset=utf-8";
