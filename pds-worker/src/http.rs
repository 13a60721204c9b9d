//! Conversion of requests and responses between the runtime and the server.
//!
//! Bodies are streamed both ways in the runtime's chunks, because the memory of a wasm instance
//! never shrinks.

use core::net::IpAddr;
use core::str;

use ::http::header::CONTENT_LENGTH;
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use bytes::Bytes;
use futures_core::stream::LocalBoxStream;
use futures_util::{StreamExt, stream};
use js_sys::{Array, Promise, Reflect, Uint8Array};
use nacre_pds::body::{Body, BodyError, Request, Response};
use nacre_pds::http::REQUEST_HEADERS;
use wasm_bindgen::prelude::*;
use worker::wasm_bindgen_futures::JsFuture;

use crate::host_error::{HostError, js_message};

/// Reads the method, the URL and the known headers of a request in one crossing. Leaves its body.
///
/// The runtime joins several headers of one name by commas.
///
/// # Errors
///
/// [`HostError::Request`] if the request is not valid HTTP.
pub(crate) fn parts(request: &web_sys::Request) -> Result<Parts, HostError> {
    let head = read(|bytes| NAMES.with(|names| read_head(request, names, bytes)))?;
    let mut lines = head.split(|byte| *byte == b'\n');
    let (mut parts, ()) = ::http::Request::new(()).into_parts();
    parts.method = lines
        .next()
        .and_then(|method| Method::from_bytes(method).ok())
        .ok_or(HostError::Request("malformed method"))?;
    parts.uri = lines
        .next()
        .and_then(|url| Uri::try_from(url).ok())
        .ok_or(HostError::Request("malformed URL"))?;
    parts.headers = headers(lines, |index| {
        let index = str::from_utf8(index).ok()?.parse().ok()?;
        read_headers().nth(index)
    })?;
    Ok(parts)
}

/// Reads the status and the headers of a response, in one crossing.
///
/// The runtime joins several headers of one name by commas.
///
/// # Errors
///
/// [`HostError::Request`] if the response is not valid HTTP.
pub(crate) fn response_head(
    response: &web_sys::Response,
) -> Result<::http::Response<()>, HostError> {
    let head = read(|bytes| read_response_head(response, bytes))?;
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|status| StatusCode::from_bytes(status).ok());
    let mut head = ::http::Response::new(());
    *head.status_mut() = status.ok_or(HostError::Request("malformed status"))?;
    *head.headers_mut() = headers(lines, |name| HeaderName::from_bytes(name).ok())?;
    Ok(head)
}

/// Reads a head with a function that fills a buffer and returns its size, or the size that it
/// needs.
fn read(fill: impl Fn(&mut [u8]) -> Result<usize, JsValue>) -> Result<Vec<u8>, HostError> {
    let mut buffer = vec![0; HEAD_BYTES];
    let mut size = fill(&mut buffer)?;
    if size > buffer.len() {
        buffer.resize(size, 0);
        size = fill(&mut buffer)?;
    }
    buffer.truncate(size);
    Ok(buffer)
}

/// Reads headers, whose names and values are lines. `name` reads a name.
fn headers<'a>(
    mut lines: impl Iterator<Item = &'a [u8]>,
    name: impl Fn(&[u8]) -> Option<HeaderName>,
) -> Result<HeaderMap, HostError> {
    const MALFORMED: HostError = HostError::Request("malformed header");
    let mut headers = HeaderMap::new();
    while let Some(line) = lines.next() {
        let name = name(line).ok_or(MALFORMED)?;
        let value = HeaderValue::from_bytes(lines.next().ok_or(MALFORMED)?);
        headers.try_append(name, value.map_err(|_| MALFORMED)?).map_err(|_| MALFORMED)?;
    }
    Ok(headers)
}

/// Writes headers as lines.
pub(crate) fn lines(headers: &HeaderMap) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        lines.push_str(name.as_str());
        lines.push('\n');
        lines.push_str(&String::from_utf8_lossy(value.as_bytes()));
        lines.push('\n');
    }
    lines
}

/// The parts of a request that decide who answers it.
pub(crate) struct Target {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    /// Whether it has the header that was asked for.
    pub(crate) has_header: bool,
}

/// Reads the method and the URL of a request, and whether it has `header`, in one crossing.
///
/// # Errors
///
/// [`HostError::Request`] if the request is not valid HTTP.
pub(crate) fn target(request: &web_sys::Request, header: &str) -> Result<Target, HostError> {
    let text = read_target(request, header)?;
    let mut lines = text.split('\n');
    let method = lines.next().and_then(|method| method.parse().ok());
    let uri = lines.next().and_then(|uri| uri.parse().ok());
    Ok(Target {
        method: method.ok_or(HostError::Request("malformed method"))?,
        uri: uri.ok_or(HostError::Request("malformed URL"))?,
        has_header: lines.next() == Some("true"),
    })
}

/// Converts a request. Its body is read as the server asks for it.
///
/// # Errors
///
/// [`HostError::Request`] as for [`parts`].
pub(crate) fn request(request: &web_sys::Request) -> Result<Request, HostError> {
    let parts = parts(request)?;
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<usize>().ok());
    let body = match length {
        // The runtime holds bodies of this size whole, and a stream takes several crossings.
        Some(length @ 1..=MAX_WHOLE_BODY_BYTES) => whole_body(Clone::clone(request), length),
        _ => body(request.body())?,
    };
    Ok(Request::from_parts(parts, body))
}

/// Returns a body of `length` bytes that is read whole when the server asks for it.
fn whole_body(request: web_sys::Request, length: usize) -> Body {
    let read = async move {
        let bytes = JsFuture::from(read_body(&request, length).map_err(interrupted)?);
        bytes.await.map_err(interrupted).and_then(chunk)
    };
    Body::Stream(stream::once(read).boxed_local())
}

/// Converts a body, which is read on demand.
///
/// # Errors
///
/// [`HostError::Runtime`] if the stream is locked by another reader.
pub(crate) fn body(stream: Option<web_sys::ReadableStream>) -> Result<Body, HostError> {
    match stream {
        None => Ok(Body::Empty),
        Some(stream) => wasm_streams::ReadableStream::from_raw(stream.unchecked_into())
            .try_into_stream()
            .map(|stream| {
                let chunks = stream.map(|read| read.map_err(interrupted).and_then(chunk));
                Body::Stream(chunks.boxed_local())
            })
            .map_err(|(thrown, _)| HostError::Runtime(js_message(&thrown))),
    }
}

/// Returns the client's address. Cloudflare overwrites the header if a client sends one.
pub(crate) fn peer(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get(CLIENT_ADDRESS)?.to_str().ok()?.parse().ok()
}

/// Converts a response.
///
/// # Errors
///
/// [`HostError::Runtime`] if the runtime refuses it.
pub(crate) fn response(response: Response) -> Result<web_sys::Response, HostError> {
    let (parts, body) = response.into_parts();
    let headers = lines(&parts.headers);
    let status = parts.status.as_u16();
    let body = if has_no_body(parts.status) { Body::Empty } else { body };
    Ok(match body {
        Body::Empty => make_response(status, &headers, JsValue::NULL),
        Body::Bytes(bytes) => make_response_of_bytes(status, &headers, &bytes),
        Body::Stream(stream) => make_response(status, &headers, to_stream(stream).into()),
    }?)
}

/// Converts the stream of a body to the runtime's.
pub(crate) fn to_stream(
    stream: LocalBoxStream<'static, Result<Bytes, BodyError>>,
) -> web_sys::ReadableStream {
    let chunks = stream.map(|chunk| match chunk {
        Ok(bytes) => Ok(JsValue::from(Uint8Array::from(bytes.as_ref()))),
        Err(error) => Err(js_sys::Error::new(&error.to_string()).into()),
    });
    wasm_streams::ReadableStream::from_stream(chunks).into_raw().unchecked_into()
}

/// Returns whether an exception is that of a time limit.
pub(crate) fn is_timeout(thrown: &JsValue) -> bool {
    let name = Reflect::get(thrown, &"name".into()).ok();
    name.is_some_and(|name| name.as_string().as_deref() == Some("TimeoutError"))
}

fn chunk(chunk: JsValue) -> Result<Bytes, BodyError> {
    Ok(Bytes::from(chunk.dyn_into::<Uint8Array>().map_err(interrupted)?.to_vec()))
}

fn interrupted(thrown: JsValue) -> BodyError {
    if is_timeout(&thrown) {
        return BodyError::TimedOut;
    }
    BodyError::Interrupted(js_message(&thrown))
}

/// Returns whether the runtime throws for a response of this status with a body.
fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

#[wasm_bindgen(module = "/src/http.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = readTarget)]
    fn read_target(request: &web_sys::Request, header: &str) -> Result<String, JsValue>;
    #[wasm_bindgen(catch, js_name = readBody)]
    fn read_body(request: &web_sys::Request, length: usize) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_name = readHead)]
    fn read_head(
        request: &web_sys::Request,
        names: &JsValue,
        bytes: &mut [u8],
    ) -> Result<usize, JsValue>;
    #[wasm_bindgen(catch, js_name = readResponseHead)]
    fn read_response_head(response: &web_sys::Response, bytes: &mut [u8])
    -> Result<usize, JsValue>;
    #[wasm_bindgen(catch, js_name = makeResponse)]
    fn make_response(
        status: u16,
        headers: &str,
        body: JsValue,
    ) -> Result<web_sys::Response, JsValue>;
    #[wasm_bindgen(catch, js_name = makeResponse)]
    fn make_response_of_bytes(
        status: u16,
        headers: &str,
        body: &[u8],
    ) -> Result<web_sys::Response, JsValue>;
}

std::thread_local! {
    /// The names of the headers that are read. Cloudflare adds about ten others.
    static NAMES: JsValue =
        read_headers().map(|name| JsValue::from(name.as_str())).collect::<Array>().into();
}

/// Returns the names of the headers that are read, in the order in which they cross.
fn read_headers() -> impl Iterator<Item = HeaderName> {
    REQUEST_HEADERS.iter().cloned().chain([CLIENT_ADDRESS, UPLOAD_HEADER])
}

/// The header with the client's address.
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("cf-connecting-ip");
/// The header of an `UploadMessage` from the front to the object. The front refuses it from
/// clients.
pub(crate) const UPLOAD_HEADER: HeaderName = HeaderName::from_static("nacre-upload");
/// Larger bodies are streamed.
const MAX_WHOLE_BODY_BYTES: usize = 256 * 1024;
/// Most heads fit into a buffer of this size at three bytes for each character.
const HEAD_BYTES: usize = 8 * 1024;
