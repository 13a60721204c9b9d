//! HTTP requests to relays.

use alloc::rc::Rc;
use core::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use serde::Deserialize;
use serde_json::json;

use crate::host::{FetchLimits, Http};
use crate::text::printable;

/// Sends requests to relays. Errors are messages for the operator.
pub(super) struct RelayClient {
    pub(super) http: Rc<dyn Http>,
    /// The public host name of this server.
    pub(super) hostname: String,
}

/// The status of this host at a relay.
#[derive(Debug)]
pub(super) struct HostStatus {
    pub(super) status: String,
    pub(super) seq: Option<i64>,
}

impl RelayClient {
    /// `com.atproto.sync.requestCrawl`
    pub(super) async fn request_crawl(&self, url: &str) -> Result<(), String> {
        let input = json!({ "hostname": self.hostname });
        let request = request(Method::POST, format!("{url}/xrpc/com.atproto.sync.requestCrawl"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(input.to_string()));
        let response = self.fetch(request).await?;
        if response.status().is_success() { Ok(()) } else { Err(refusal(&response)) }
    }

    /// `com.atproto.sync.getHostStatus`
    pub(super) async fn host_status(&self, url: &str) -> Result<HostStatus, String> {
        #[derive(Deserialize)]
        struct Output {
            status: Option<String>,
            seq: Option<i64>,
        }
        let hostname = &self.hostname;
        let url = format!("{url}/xrpc/com.atproto.sync.getHostStatus?hostname={hostname}");
        let response = self.fetch(request(Method::GET, url).body(Bytes::new())).await?;
        if !response.status().is_success() {
            let is_unknown = error_name(&response).as_deref() == Some("HostNotFound");
            let unknown = HostStatus { status: UNKNOWN.to_owned(), seq: None };
            return if is_unknown { Ok(unknown) } else { Err(refusal(&response)) };
        }
        let output: Output = serde_json::from_slice(response.body())
            .map_err(|_| "not a response of com.atproto.sync.getHostStatus".to_owned())?;
        let status = output.status.as_deref().map_or_else(|| "unspecified".to_owned(), printable);
        // JavaScript hosts cannot store larger numbers.
        let seq = output.seq.filter(|seq| (0..=nacre_lexicon::MAX_INTEGER).contains(seq));
        Ok(HostStatus { status, seq })
    }

    async fn fetch(
        &self,
        request: Result<Request<Bytes>, http::Error>,
    ) -> Result<Response<Bytes>, String> {
        let request = request.map_err(|error| error.to_string())?;
        let response = self.http.fetch(request, LIMITS).await;
        response.map_err(|error| printable(&error.to_string()))
    }
}

fn request(method: Method, url: String) -> http::request::Builder {
    let agent = concat!("nacre/", env!("CARGO_PKG_VERSION"));
    Request::builder().method(method).uri(url).header(header::USER_AGENT, agent)
}

/// Returns the status and the error name of a response that is not a success.
fn refusal(response: &Response<Bytes>) -> String {
    let status = response.status();
    match error_name(response) {
        Some(error) => printable(&format!("{status}: {error}")),
        None => status.to_string(),
    }
}

/// Returns the name of the XRPC error in a response.
fn error_name(response: &Response<Bytes>) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(response.body()).ok()?;
    Some(body.get("error")?.as_str()?.to_owned())
}

/// The status reported for a relay that does not know this host.
pub(super) const UNKNOWN: &str = "unknown";
const LIMITS: FetchLimits = FetchLimits { body_bytes: 16 * 1024, time: Duration::from_secs(10) };
