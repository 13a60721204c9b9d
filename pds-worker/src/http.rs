//! Requests and responses: the runtime's and the server's.
//!
//! Bodies are streamed both ways, in pieces of the runtime's choosing, since the memory of a wasm
//! instance never shrinks.

use core::net::IpAddr;

use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use bytes::Bytes;
use futures_util::StreamExt;
use js_sys::{Array, Uint8Array};
use nacre_pds::body::{Body, BodyError, Request, Response};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::ResponseInit;

use crate::trouble::{Trouble, describe};

/// Reads everything but the body, which stays untouched.
///
/// # Errors
///
/// [`Trouble::Request`] if the runtime let something through that HTTP does not allow.
pub(crate) fn parts(request: &web_sys::Request) -> Result<Parts, Trouble> {
    let (mut parts, ()) = ::http::Request::new(()).into_parts();
    parts.method = Method::from_bytes(request.method().as_bytes())
        .map_err(|_| Trouble::Request("the method is malformed"))?;
    parts.uri =
        Uri::try_from(request.url()).map_err(|_| Trouble::Request("the URL is malformed"))?;
    parts.headers = headers(&request.headers())?;
    Ok(parts)
}

/// Takes the whole request, with a body that is read as the server asks for it.
///
/// # Errors
///
/// [`Trouble::Request`] as for [`parts`].
pub(crate) fn request(request: &web_sys::Request) -> Result<Request, Trouble> {
    let parts = parts(request)?;
    Ok(Request::from_parts(parts, body(request.body())?))
}

/// Takes a body, which is read as it is asked for.
///
/// # Errors
///
/// [`Trouble::Runtime`] if somebody else reads it.
pub(crate) fn body(stream: Option<web_sys::ReadableStream>) -> Result<Body, Trouble> {
    match stream {
        None => Ok(Body::Empty),
        Some(stream) => wasm_streams::ReadableStream::from_raw(stream.unchecked_into())
            .try_into_stream()
            .map(|stream| Body::Stream(stream.map(piece).boxed_local()))
            .map_err(|(problem, _)| Trouble::Runtime(describe(&problem))),
    }
}

/// Returns the client's address, which Cloudflare writes over whatever the client has sent.
pub(crate) fn peer(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("cf-connecting-ip")?.to_str().ok()?.parse().ok()
}

/// Hands a response to the runtime.
///
/// # Errors
///
/// [`Trouble::Runtime`] if the runtime refuses it.
pub(crate) fn response(response: Response) -> Result<web_sys::Response, Trouble> {
    let (parts, body) = response.into_parts();
    let init = ResponseInit::new();
    init.set_status(parts.status.as_u16());
    let headers = to_headers(&parts.headers)?;
    init.set_headers(&headers);
    let body = if has_no_body(parts.status) { Body::Empty } else { body };
    let response = match body {
        Body::Empty => web_sys::Response::new_with_opt_str_and_init(None, &init),
        Body::Bytes(bytes) => {
            let bytes = Uint8Array::from(bytes.as_ref());
            web_sys::Response::new_with_opt_js_u8_array_and_init(Some(&bytes), &init)
        }
        Body::Stream(stream) => {
            let stream = stream.map(|piece| match piece {
                Ok(bytes) => Ok(JsValue::from(Uint8Array::from(bytes.as_ref()))),
                Err(error) => Err(js_sys::Error::new(&error.to_string()).into()),
            });
            let stream = wasm_streams::ReadableStream::from_stream(stream).into_raw();
            let stream = stream.unchecked_into();
            web_sys::Response::new_with_opt_readable_stream_and_init(Some(&stream), &init)
        }
    };
    Ok(response?)
}

/// Returns headers as the runtime takes them.
pub(crate) fn to_headers(from: &HeaderMap) -> Result<web_sys::Headers, JsValue> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in from {
        headers.append(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))?;
    }
    Ok(headers)
}

/// Reads the headers; several of one name come as one, joined by commas.
pub(crate) fn headers(from: &web_sys::Headers) -> Result<HeaderMap, Trouble> {
    const PROBLEM: Trouble = Trouble::Request("a header is malformed");
    let mut headers = HeaderMap::new();
    for entry in from.entries() {
        let entry = Array::from(&entry?);
        let (Some(name), Some(value)) = (entry.get(0).as_string(), entry.get(1).as_string()) else {
            return Err(PROBLEM);
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| PROBLEM)?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| PROBLEM)?;
        headers.try_append(name, value).map_err(|_| PROBLEM)?;
    }
    Ok(headers)
}

fn piece(piece: Result<JsValue, JsValue>) -> Result<Bytes, BodyError> {
    let interrupted = |problem: &JsValue| BodyError::Interrupted(describe(problem));
    let piece = piece.map_err(|problem| interrupted(&problem))?;
    let piece = piece.dyn_into::<Uint8Array>().map_err(|problem| interrupted(&problem))?;
    Ok(Bytes::from(piece.to_vec()))
}

/// The runtime throws if one of these comes with a body.
fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}
