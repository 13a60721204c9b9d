//! Cross-origin requests and shared caches.
//!
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;

use crate::body::{Body, Response};

/// Returns whether a request carries credentials.
pub(crate) fn is_authorized(request: &Parts) -> bool {
    request.headers.contains_key(header::AUTHORIZATION)
}

/// Adds the headers that depend on the request. The response to an authorized request is private.
pub(crate) fn add_headers(is_authorized: bool, response: &mut Response) {
    if is_authorized {
        let headers = response.headers_mut();
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
        headers.append(header::VARY, HeaderValue::from_static("Authorization"));
    }
    allow_any_origin(response);
}

/// Allows scripts of any origin to read `response`. This is safe because the server accepts no
/// credentials that a browser adds by itself.
pub(crate) fn allow_any_origin(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

/// Answers a preflight request.
pub(super) fn preflight(request: &Parts) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    allow_any_origin(&mut response);
    // `*` never covers Authorization, so the requested names are repeated.
    let requested = request.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let requested = requested.filter(|names| names.len() <= MAX_REQUESTED_BYTES).cloned();
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        requested.unwrap_or(HeaderValue::from_static(ALLOWED)),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, OPTIONS"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    headers.insert(
        header::VARY,
        HeaderValue::from_name(HeaderName::from_static("access-control-request-headers")),
    );
    response
}

const ALLOWED: &str = "Accept-Language, Atproto-Accept-Labelers, Atproto-Proxy, Authorization, \
    Content-Type, DPoP, X-Bsky-Topics";
const EXPOSED: &str = "Atproto-Content-Labelers, Atproto-Repo-Rev, Content-Range, DPoP-Nonce, \
    RateLimit-Limit, RateLimit-Policy, RateLimit-Remaining, RateLimit-Reset, Retry-After, \
    WWW-Authenticate, X-Request-Id";
/// The longest list of requested headers that is repeated. Longer ones are answered with
/// [`ALLOWED`].
const MAX_REQUESTED_BYTES: usize = 2_048;
