//! Failed calls.

use alloc::borrow::Cow;
use core::error::Error;

use http::StatusCode;
use nacre_xrpc::XrpcError;

use crate::body::Response;
use crate::host::with_causes;
use crate::http::typed;
use crate::request_log::{RequestLog, RequestTag};

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server's fault. The cause is logged and not sent to the client.
    Fault(String),
    /// A refusal, usually the client's fault. The error is sent to the client.
    Refused(XrpcError),
}

impl Failure {
    /// Returns the fault for an error, with its causes.
    pub(crate) fn fault(error: impl Error) -> Self {
        Self::Fault(with_causes(&error))
    }

    /// Returns the response to a request, and logs the cause of a fault.
    pub(crate) fn into_response(self, requests: &RequestLog, tag: RequestTag) -> Response {
        let (error, id) = match self {
            Self::Fault(cause) => (XrpcError::internal(), Some(requests.failed(tag, &cause))),
            Self::Refused(error) => (error, None),
        };
        let status = StatusCode::from_u16(error.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = typed(status, JSON, error.to_json().into());
        response.headers_mut().extend(id);
        response
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
