//! Requests to other servers, by the runtime's `fetch`.

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use futures_core::future::LocalBoxFuture;
use js_sys::{Object, Promise, Reflect, Uint8Array};
use nacre_pds::body::BodyError;
use nacre_pds::host::{FetchLimits, Http, HttpError};
use wasm_bindgen::prelude::*;
use worker::wasm_bindgen_futures::JsFuture;

use crate::http;
use crate::trouble::{Trouble, describe};

/// The runtime, which holds a request back until what the turn has written is kept, and which
/// reaches no network but the public one.
pub(crate) struct WorkerHttp;

impl Http for WorkerHttp {
    fn fetch(
        &self,
        request: Request<Bytes>,
        limits: FetchLimits,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        // Sent in the turn that asked for it.
        let sent = send(request, limits);
        Box::pin(async move {
            let answer = sent.map_err(|thrown| failed(&thrown))?.await;
            let answer = answer.map_err(|thrown| failed(&thrown))?.unchecked_into();
            read(&answer, limits.body_bytes).await
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

/// Reads an answer whose body is within the limit.
async fn read(answer: &web_sys::Response, body_bytes: usize) -> Result<Response<Bytes>, HttpError> {
    let told = |problem: Trouble| HttpError::Failed(problem.to_string());
    let headers = http::headers(&answer.headers()).map_err(told)?;
    let body = http::body(answer.body()).map_err(told)?.collect(body_bytes).await;
    let mut read = Response::new(body.map_err(|error| match error {
        BodyError::TooLarge(_) => HttpError::TooLarge,
        error => HttpError::Failed(error.to_string()),
    })?);
    *read.status_mut() = StatusCode::from_u16(answer.status())
        .map_err(|_| HttpError::Failed("the status is malformed".to_owned()))?;
    *read.headers_mut() = headers;
    Ok(read)
}

fn failed(thrown: &JsValue) -> HttpError {
    let name = Reflect::get(thrown, &"name".into()).ok().and_then(|name| name.as_string());
    match name.as_deref() {
        Some("TimeoutError") => HttpError::TimedOut,
        _ => HttpError::Failed(describe(thrown)),
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch)]
    fn fetch(url: &str, init: &Object) -> Result<Promise, JsValue>;

    /// Returns the signal that ends what has taken longer.
    #[wasm_bindgen(catch, js_namespace = AbortSignal, js_name = timeout)]
    fn abort_after(milliseconds: u32) -> Result<JsValue, JsValue>;
}
