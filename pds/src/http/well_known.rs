//! Responses that need no state: preflights, the documents under `/.well-known`, the banner.

use http::request::Parts;
use http::{Method, StatusCode, header};

use super::cors::{allow_any_origin, preflight};
use super::response::{text, typed};
use crate::body::Response;
use crate::config::{Identity, did_web};
use crate::identity::document;

/// Answers `request` if this takes nothing but the account's identity.
///
/// A host may call this without waking the server. [`Pds::handle`](crate::Pds::handle) also calls
/// it.
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
    allow_any_origin(&mut response);
    Some(response)
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
