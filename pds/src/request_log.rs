//! The ids, log entries and metrics of requests.

use alloc::rc::Rc;
use core::cell::Cell;
use core::time::Duration;

use data_encoding::BASE32_NOPAD;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::host::{Entry, Host, Level, RequestFields};
use crate::metrics::Metrics;

/// Names requests, and logs and counts their outcomes.
pub(crate) struct RequestLog {
    host: Rc<Host>,
    metrics: Rc<Metrics>,
    /// The start of all ids of this process.
    prefix: String,
    count: Cell<u64>,
}

/// A request in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestTag {
    number: u64,
    method: &'static str,
    started_micros: u64,
}

impl RequestLog {
    pub(crate) fn new(host: Rc<Host>, metrics: Rc<Metrics>) -> Self {
        let mut random = [0; 5];
        host.rng.fill(&mut random);
        let prefix = BASE32_NOPAD.encode(&random).to_ascii_lowercase();
        Self { host, metrics, prefix, count: Cell::default() }
    }

    /// Begins a request.
    pub(crate) fn begin(&self) -> RequestTag {
        self.count.set(self.count.get() + 1);
        let started_micros = self.host.clock.now_micros();
        RequestTag { number: self.count.get(), method: OTHER, started_micros }
    }

    /// Counts a request whose handling panicked. Asks the host for nothing, because that may be
    /// what panicked.
    pub(crate) fn panicked(&self) -> RequestTag {
        self.count.set(self.count.get() + 1);
        self.metrics.count_panic(OTHER);
        RequestTag { number: self.count.get(), method: OTHER, started_micros: 0 }
    }

    /// Ends a request with the status of its response.
    pub(crate) fn end(&self, tag: RequestTag, status: StatusCode) {
        let now_micros = self.host.clock.now_micros();
        let duration = Duration::from_micros(now_micros.saturating_sub(tag.started_micros));
        let status = status.as_u16();
        let now_s = i64::try_from(now_micros / 1_000_000).unwrap_or(i64::MAX);
        self.metrics.count_request(tag.method, status, duration, now_s);
        self.write(Level::Debug, "request", "", tag, Some((status, duration)));
    }

    /// Logs why a request failed, and returns the header that names the request in the response.
    pub(crate) fn failed(&self, tag: RequestTag, cause: &str) -> (HeaderName, HeaderValue) {
        self.write(Level::Error, "request.failed", cause, tag, None);
        let id = HeaderValue::try_from(self.id(tag));
        (REQUEST_ID, id.unwrap_or(HeaderValue::from_static("unknown")))
    }

    fn write(
        &self,
        level: Level,
        event: &'static str,
        message: &str,
        tag: RequestTag,
        outcome: Option<(u16, Duration)>,
    ) {
        if !self.host.log.is_enabled(level) {
            return;
        }
        let (status, duration) = outcome.unzip();
        let request = RequestFields { id: &self.id(tag), method: tag.method, status, duration };
        self.host.log.write(&Entry { level, event, message, request: Some(request) });
    }

    fn id(&self, tag: RequestTag) -> String {
        format!("{}-{}", self.prefix, tag.number)
    }
}

impl RequestTag {
    /// Names the method, once it is known to exist.
    pub(crate) fn set_method(&mut self, method: &'static str) {
        self.method = method;
    }
}

/// The method of requests that no method of the API answers.
const OTHER: &str = "other";
/// The header of a fault's response that names the request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
