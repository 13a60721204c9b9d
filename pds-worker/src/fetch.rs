//! Requests to other servers through the runtime's `fetch`.

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use futures_core::future::LocalBoxFuture;
use js_sys::{Object, Promise, Reflect, Uint8Array};
use nacre_pds::body::BodyError;
use nacre_pds::host::{FetchLimits, Http, HttpError};
use wasm_bindgen::prelude::*;
use worker::wasm_bindgen_futures::JsFuture;

use crate::host_error::{HostError, js_message};
use crate::http;

/// The runtime's HTTP client.
///
/// The runtime sends a request only after the writes of the turn are durable. It reaches public
/// addresses only.
pub(crate) struct WorkerHttp;

impl Http for WorkerHttp {
    fn fetch(
        &self,
        request: Request<Bytes>,
        limits: FetchLimits,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        // Sent in the caller's turn, not when the future is first polled.
        let sent = send(request, limits);
        Box::pin(async move {
            let response = sent.map_err(|thrown| failed(&thrown))?.await;
            let response = response.map_err(|thrown| failed(&thrown))?.unchecked_into();
            read(&response, limits.body_bytes).await
        })
    }
}

fn send(
    request: Request<Bytes>,
    limits: FetchLimits,
) -> Result<impl Future<Output = Result<JsValue, JsValue>>, JsValue> {
    let (parts, body) = request.into_parts();
    let init = Object::new();
    let set = |name: &str, value: &JsValue| Reflect::set(&init, &name.into(), value);
    set("method", &parts.method.as_str().into())?;
    let headers = http::to_headers(&parts.headers)?;
    set("headers", &headers)?;
    set("redirect", &"manual".into())?;
    let time_ms = u32::try_from(limits.time.as_millis()).unwrap_or(u32::MAX);
    set("signal", &abort_after(time_ms)?)?;
    if !body.is_empty() {
        set("body", &Uint8Array::from(&*body))?;
    }
    Ok(JsFuture::from(fetch(&parts.uri.to_string(), &init)?))
}

/// Reads a response whose body has at most `max_body_bytes`.
async fn read(
    response: &web_sys::Response,
    max_body_bytes: usize,
) -> Result<Response<Bytes>, HttpError> {
    let host_failed = |error: HostError| HttpError::Failed(error.to_string());
    let headers = http::headers(&response.headers()).map_err(host_failed)?;
    let body = http::body(response.body()).map_err(host_failed)?.collect(max_body_bytes).await;
    let mut read = Response::new(body.map_err(|error| match error {
        BodyError::TooLarge(_) => HttpError::TooLarge,
        error => HttpError::Failed(error.to_string()),
    })?);
    *read.status_mut() = StatusCode::from_u16(response.status())
        .map_err(|_| HttpError::Failed(format!("invalid status {}", response.status())))?;
    *read.headers_mut() = headers;
    Ok(read)
}

fn failed(thrown: &JsValue) -> HttpError {
    let name = Reflect::get(thrown, &"name".into()).ok().and_then(|name| name.as_string());
    match name.as_deref() {
        Some("TimeoutError") => HttpError::TimedOut,
        _ => HttpError::Failed(js_message(thrown)),
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch)]
    fn fetch(url: &str, init: &Object) -> Result<Promise, JsValue>;

    /// Returns a signal that aborts a fetch after this time.
    #[wasm_bindgen(catch, js_namespace = AbortSignal, js_name = timeout)]
    fn abort_after(milliseconds: u32) -> Result<JsValue, JsValue>;
}
