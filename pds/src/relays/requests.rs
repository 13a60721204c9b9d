//! HTTP requests to relays.

use alloc::rc::Rc;
use core::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use serde::Deserialize;
use serde_json::json;

use crate::outbound::{Fetch, Limits, Outbound, collect};
use crate::text::printable;

/// Sends requests to relays. Errors are messages for the operator.
pub(super) struct RelayClient {
    pub(super) outbound: Rc<Outbound>,
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
        let url = format!("{url}/xrpc/com.atproto.sync.requestCrawl");
        let fetch = Fetch::new(Method::POST, url)
            .with_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .with_body(input.to_string());
        let response = self.send(fetch).await?;
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
        let response = self.send(Fetch::new(Method::GET, url)).await?;
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

    async fn send(&self, fetch: Fetch) -> Result<Response<Bytes>, String> {
        let exchange = async { collect(self.outbound.operator(fetch, LIMITS).await?).await };
        exchange.await.map_err(|error| printable(&error.to_string()))
    }
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
const LIMITS: Limits = Limits {
    body_bytes: 16 * 1024,
    content_types: &[],
    head_time: Duration::from_secs(10),
    redirects: 0,
    total_time: Duration::from_secs(10),
};
