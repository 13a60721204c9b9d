//! What needs no state: CORS, the documents under `/.well-known`, the banner. A host may answer
//! these without waking the account; [`Pds::handle`](crate::Pds::handle) answers them too.

use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::body::{Body, Response};
use crate::config::{Identity, did_web};
use crate::identity::document;

/// Answers `request` if it takes no more than the account's identity.
#[must_use]
pub fn answer(identity: &Identity, request: &Parts) -> Option<Response> {
    if request.method == Method::OPTIONS {
        return Some(preflight(request));
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        return None;
    }
    let mut response = match request.uri.path() {
        "/" => text(StatusCode::OK, BANNER.into()),
        "/robots.txt" => text(StatusCode::OK, ROBOTS.into()),
        "/.well-known/did.json" => did_document(identity),
        "/.well-known/atproto-did" => handle_document(identity, request),
        _ => return None,
    };
    open_to_all(&mut response);
    Some(response)
}

/// Puts on a response what depends on its request: it is not shared if it was made for somebody.
pub(crate) fn finish(request: &Parts, response: &mut Response) {
    if request.headers.contains_key(header::AUTHORIZATION) {
        let headers = response.headers_mut();
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
        headers.append(header::VARY, HeaderValue::from_static("Authorization"));
    }
    open_to_all(response);
}

/// Lets scripts of any origin read `response`. No credential of a browser opens anything here, so
/// there is nothing that an origin could borrow.
pub(crate) fn open_to_all(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

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

fn preflight(request: &Parts) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    open_to_all(&mut response);
    // A bare `*` never covers Authorization, so the names that were asked for are repeated.
    let asked = request.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let asked = asked.filter(|names| names.len() <= MAX_ASKED_HEADERS_BYTES).cloned();
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        asked.unwrap_or(HeaderValue::from_static(ALLOWED)),
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

/// A did:web names the host that serves its document; an account with another DID has it elsewhere.
fn did_document(identity: &Identity) -> Response {
    if identity.did.as_str() != did_web(&identity.hostname) {
        return text(StatusCode::NOT_FOUND, "DID document not found".into());
    }
    let document = document::of(identity, &identity.handle);
    typed(StatusCode::OK, "application/json", document.to_string().into())
}

fn handle_document(identity: &Identity, request: &Parts) -> Response {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri.host()).unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default();
    if name.eq_ignore_ascii_case(identity.handle.as_str()) {
        text(StatusCode::OK, identity.did.as_str().to_owned().into())
    } else {
        text(StatusCode::NOT_FOUND, "User not found".into())
    }
}

const BANNER: &str = "This is an AT Protocol Personal Data Server (PDS), run by Nacre.\n\n\
    Most of what it does lies under /xrpc/\n\nProtocol: https://atproto.com\n";
const ROBOTS: &str = "# Crawling the public API is allowed.\nUser-agent: *\nAllow: /\n";
const ALLOWED: &str = "Accept-Language, Atproto-Accept-Labelers, Atproto-Proxy, Authorization, \
    Content-Type, DPoP, X-Bsky-Topics";
const EXPOSED: &str = "Atproto-Content-Labelers, Atproto-Repo-Rev, Content-Range, DPoP-Nonce, \
    RateLimit-Limit, RateLimit-Policy, RateLimit-Remaining, RateLimit-Reset, Retry-After, \
    WWW-Authenticate";
/// A preflight that asks for more than this is answered with the usual names.
const MAX_ASKED_HEADERS_BYTES: usize = 2_048;
