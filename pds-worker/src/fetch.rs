//! Requests to other servers through the runtime's `fetch`.

use ::http::{HeaderValue, header};
use futures_core::future::LocalBoxFuture;
use futures_util::StreamExt as _;
use js_sys::Promise;
use nacre_pds::body::{Body, Response};
use nacre_pds::host::{Http, HttpError, OutboundRequest};
use wasm_bindgen::prelude::*;
use worker::wasm_bindgen_futures::JsFuture;

use crate::host_error::{HostError, js_message};
use crate::http;

/// The runtime's HTTP client.
///
/// The runtime sends a request only after the writes of the turn are durable. On Cloudflare, it
/// reaches public addresses only, so all destinations are treated alike. Host names are resolved
/// by the runtime.
pub(crate) struct WorkerHttp;

impl Http for WorkerHttp {
    fn send(
        &self,
        request: OutboundRequest,
    ) -> LocalBoxFuture<'static, Result<Response, HttpError>> {
        // Sent in the caller's turn, not when the future is first polled.
        let exchange = Exchange::start(request);
        Box::pin(async move { exchange?.response().await })
    }
}

/// A request to another server and its response. Dropping it cancels the exchange.
struct Exchange(JsExchange);

impl Exchange {
    fn start(request: OutboundRequest) -> Result<Self, HttpError> {
        let OutboundRequest { request, head_time, total_time, .. } = request;
        // A longer timer would fire at once.
        let limit =
            |time: core::time::Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let (head_ms, total_ms) = (limit(head_time.min(total_time)), limit(total_time));
        let (parts, body) = request.into_parts();
        let headers = http::lines(&parts.headers);
        let head = format!("{}\n{}\n{headers}", parts.method, parts.uri);
        let exchange = match body {
            Body::Empty => JsExchange::new(&head, JsValue::NULL, head_ms, total_ms),
            Body::Bytes(bytes) => JsExchange::of_bytes(&head, &bytes, head_ms, total_ms),
            Body::Stream(stream) => {
                JsExchange::new(&head, http::to_stream(stream).into(), head_ms, total_ms)
            }
        };
        exchange.map(Self).map_err(|thrown| failed(&thrown))
    }

    async fn response(self) -> Result<Response, HttpError> {
        let host_failed = |error: HostError| HttpError::Failed(error.to_string());
        let response = JsFuture::from(self.0.response()).await.map_err(|thrown| failed(&thrown))?;
        let response: web_sys::Response = response.unchecked_into();
        let mut head = http::response_head(&response).map_err(host_failed)?;
        let coding = head.headers().get(header::CONTENT_ENCODING);
        if coding.is_some_and(|coding| DECODED.contains(coding)) {
            head.headers_mut().remove(header::CONTENT_ENCODING);
            head.headers_mut().remove(header::CONTENT_LENGTH);
        }
        let body = http::body(response.body()).map_err(host_failed)?;
        Ok(head.map(|()| match body {
            // The exchange lives as long as its stream.
            Body::Stream(stream) => Body::Stream(
                stream
                    .map(move |piece| {
                        let _ = &self;
                        piece
                    })
                    .boxed_local(),
            ),
            body => body,
        }))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn failed(thrown: &JsValue) -> HttpError {
    if http::is_timeout(thrown) {
        HttpError::TimedOut
    } else {
        HttpError::Failed(js_message(thrown))
    }
}

#[wasm_bindgen(module = "/src/fetch.js")]
extern "C" {
    #[wasm_bindgen(js_name = Exchange)]
    type JsExchange;

    #[wasm_bindgen(catch, constructor, js_class = "Exchange")]
    fn new(head: &str, body: JsValue, head_ms: i32, total_ms: i32) -> Result<JsExchange, JsValue>;

    #[wasm_bindgen(catch, constructor, js_class = "Exchange")]
    fn of_bytes(
        head: &str,
        body: &[u8],
        head_ms: i32,
        total_ms: i32,
    ) -> Result<JsExchange, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn response(this: &JsExchange) -> Promise;

    #[wasm_bindgen(method)]
    fn end(this: &JsExchange);
}

/// The encodings that the runtime decodes. It compares them exactly.
const DECODED: [HeaderValue; 2] =
    [HeaderValue::from_static("br"), HeaderValue::from_static("gzip")];
