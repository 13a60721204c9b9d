//! Responses that need no state: preflights, the documents under `/.well-known`, the banner.

use http::request::Parts;
use http::{Method, StatusCode, header};

use super::cors::{allow_any_origin, preflight};
use super::response::{text, typed};
use crate::body::Response;
use crate::config::{Identity, did_web};
use crate::identity::document;

/// Returns whether [`answer`] answers requests of this method and path.
#[must_use]
pub fn is_stateless(method: &Method, path: &str) -> bool {
    match *method {
        Method::OPTIONS => true,
        Method::GET | Method::HEAD => Document::at(path).is_some(),
        _ => false,
    }
}

/// Answers `request` if this takes nothing but the account's identity.
///
/// A host may call this without waking the server. [`Pds::handle`](crate::Pds::handle) also calls
/// it.
#[must_use]
pub fn answer(identity: &Identity, request: &Parts) -> Option<Response> {
    if !is_stateless(&request.method, request.uri.path()) {
        return None;
    }
    let mut response = match Document::at(request.uri.path()) {
        _ if request.method == Method::OPTIONS => return Some(preflight(request)),
        Some(Document::Banner) => text(StatusCode::OK, BANNER.into()),
        Some(Document::Robots) => text(StatusCode::OK, ROBOTS.into()),
        Some(Document::Did) => did_document(identity),
        Some(Document::Handle) => handle_document(identity, request),
        None => return None,
    };
    allow_any_origin(&mut response);
    Some(response)
}

/// A document that needs no state.
enum Document {
    Banner,
    Did,
    Handle,
    Robots,
}

impl Document {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Banner),
            "/robots.txt" => Some(Self::Robots),
            "/.well-known/did.json" => Some(Self::Did),
            "/.well-known/atproto-did" => Some(Self::Handle),
            _ => None,
        }
    }
}

/// Serves the document of a did:web of this host. Documents of other DIDs are stored elsewhere.
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

const BANNER: &str = "This is an AT Protocol Personal Data Server (PDS), running Nacre.\n\n\
    Most API routes are under /xrpc/\n\nProtocol: https://atproto.com\n";
const ROBOTS: &str = "# Crawling the public API is allowed.\nUser-agent: *\nAllow: /\n";
