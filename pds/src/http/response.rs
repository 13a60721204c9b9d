//! Responses by status and content type.

use http::StatusCode;
use http::header::{self, HeaderValue};

use crate::body::{Body, Response};

/// Returns a plain text response.
pub(crate) fn text(status: StatusCode, body: Body) -> Response {
    typed(status, "text/plain; charset=utf-8", body)
}

/// Returns a response with a content type.
pub(crate) fn typed(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
