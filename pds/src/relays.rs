//! Relays, which carry the account's events to the network. One that has lost the account does not
//! come back by itself, and posts arrive nowhere: so relays are asked to crawl when an account
//! starts or is activated, when there is an event and nobody to hear it, and when they say
//! themselves that they have missed something.

use core::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use serde::Deserialize;
use serde_json::json;

use crate::Pds;
use crate::host::{FetchLimits, SqlError};
use crate::store::RelayState;

/// The relay work that the alarm is set for, the most urgent last.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum RelayAlarm {
    /// None that this process knows of.
    #[default]
    Unknown,
    /// Check whether relays have received what was sent to subscribers.
    Check,
    /// Ask relays to crawl, because there are no subscribers.
    Ask,
}

/// The state of the event stream that decides what relays are asked.
#[derive(Clone, Copy, Debug)]
struct Stream {
    /// The time, in seconds.
    now_s: i64,
    /// Whether it has subscribers.
    is_heard: bool,
    /// Whether no relay has been asked for anything since the account was opened.
    is_new: bool,
    /// The number of the last event, which is its time in milliseconds; 0 if there was none.
    seq: i64,
}

/// The last answer of a relay about its status of this host.
#[derive(Clone, Debug)]
pub(crate) struct Polled {
    /// When it was asked, in seconds; 0 for never.
    pub(crate) asked_s: i64,
    pub(crate) status: Option<String>,
    pub(crate) seq: Option<i64>,
    pub(crate) check_error: Option<String>,
}

/// The status of this host at a relay.
#[derive(Debug)]
struct HostStatus {
    status: String,
    seq: Option<i64>,
}

impl Pds {
    /// Sends the requests to relays that are due.
    pub(crate) async fn tend_relays(&self) -> Result<(), SqlError> {
        for url in &self.config.relays {
            let is_due = |due_s: Option<i64>| due_s.is_some_and(|due_s| due_s <= self.now_s());
            if is_due(self.store.relay(url)?.check_due_s(self.stream()?)) {
                self.check_relay(url).await?;
            }
            if is_due(self.store.relay(url)?.ask_due_s(self.stream()?)) {
                self.ask_relay(url).await?;
            }
        }
        self.is_new.set(false);
        Ok(())
    }

    /// Returns when the next request to a relay is due, in seconds, if one is.
    pub(crate) fn relays_due_s(&self) -> Result<Option<i64>, SqlError> {
        let mut first = None;
        for url in &self.config.relays {
            let (relay, stream) = (self.store.relay(url)?, self.stream()?);
            let due = [first, relay.ask_due_s(stream), relay.check_due_s(stream)];
            first = due.into_iter().flatten().min();
        }
        Ok(first)
    }

    /// Sets the alarm if a request to a relay is due and there are no subscribers.
    pub(crate) fn wake_at_start(&self) -> Result<(), SqlError> {
        let is_heard = !self.host.sockets.list().is_empty();
        if !is_heard && self.relays_due_s()?.is_some_and(|due_s| due_s <= self.now_s()) {
            self.wake();
        }
        Ok(())
    }

    /// Returns the relay work that is due after an event.
    pub(crate) fn relay_alarm_needed(&self) -> RelayAlarm {
        if self.config.relays.is_empty() {
            RelayAlarm::Unknown
        } else if self.host.sockets.list().is_empty() {
            RelayAlarm::Ask
        } else {
            RelayAlarm::Check
        }
    }

    /// Schedules a crawl request to every relay, in the caller's transaction.
    pub(crate) fn want_relays(&self) -> Result<(), SqlError> {
        for url in &self.config.relays {
            let relay = RelayState { wanted: true, ..self.store.relay(url)? };
            self.store.put_relay(url, &relay)?;
        }
        Ok(())
    }

    /// Asks a relay for its status of this host, and wants it asked to crawl if it has lost us.
    ///
    /// Writes a row only if the status changes, or once in [`CHECK_PAUSE_S`]: a lag is measured
    /// from the number that was ours then, however often somebody asks meanwhile.
    pub(crate) async fn check_relay(&self, url: &str) -> Result<(), SqlError> {
        let answer = self.host_status(url).await;
        let (now_s, own_seq) = (self.now_s(), self.account()?.seq);
        let before = self.store.relay(url)?;
        let mut relay = before.clone();
        let is_due = now_s - past(before.checked_s, now_s) >= CHECK_PAUSE_S;
        match answer {
            Ok(HostStatus { status, seq }) => {
                let is_behind =
                    is_due && before.checked_s > 0 && seq.is_some_and(|seq| seq < before.own_seq);
                relay.wanted |= is_behind || LOST.contains(&&*status);
                (relay.status, relay.seq, relay.check_error) = (Some(status), seq, None);
            }
            Err(problem) => relay.check_error = Some(problem),
        }
        if is_due {
            (relay.checked_s, relay.own_seq) = (now_s, own_seq);
        }
        let is_changed = relay.status != before.status
            || relay.wanted != before.wanted
            || relay.check_error.is_some() != before.check_error.is_some();
        if is_due || is_changed {
            self.store.put_relay(url, &relay)?;
        }
        let RelayState { status, seq, check_error, .. } = relay;
        let polled = Polled { asked_s: now_s, status, seq, check_error };
        self.polled.borrow_mut().insert(url.to_owned(), polled);
        Ok(())
    }

    /// Returns the last answer of a relay, from memory or from the database.
    pub(crate) fn last_poll(&self, url: &str) -> Result<Polled, SqlError> {
        if let Some(polled) = self.polled.borrow().get(url) {
            return Ok(polled.clone());
        }
        let RelayState { checked_s, status, seq, check_error, .. } = self.store.relay(url)?;
        Ok(Polled { asked_s: checked_s, status, seq, check_error })
    }

    /// Tells whether the last answer of a relay is too old to be shown.
    pub(crate) fn is_poll_stale(&self, url: &str) -> Result<bool, SqlError> {
        let now_s = self.now_s();
        Ok(now_s - past(self.last_poll(url)?.asked_s, now_s) >= FRESH_S)
    }

    /// Asks a relay to crawl. Until it has agreed, it counts as having refused.
    async fn ask_relay(&self, url: &str) -> Result<(), SqlError> {
        let mut relay = self.store.relay(url)?;
        relay.asked_s = self.now_s();
        relay.failures = relay.failures.saturating_add(1);
        relay.wanted = true;
        self.store.put_relay(url, &relay)?;
        let asked = self.request_crawl(url).await;
        let mut relay = self.store.relay(url)?;
        match asked {
            Ok(()) => (relay.failures, relay.wanted, relay.ask_error) = (0, false, None),
            Err(problem) => {
                if relay.failures == 1 {
                    self.host.log.error(&format!("{url} was asked to crawl: {problem}"));
                }
                relay.ask_error = Some(problem);
            }
        }
        self.store.put_relay(url, &relay)
    }

    /// `com.atproto.sync.requestCrawl`
    async fn request_crawl(&self, url: &str) -> Result<(), String> {
        let input = json!({ "hostname": self.config.identity.hostname });
        let request = self
            .request(Method::POST, format!("{url}/xrpc/com.atproto.sync.requestCrawl"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(input.to_string()));
        let answer = self.fetched(request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(refusal(&answer)) }
    }

    /// `com.atproto.sync.getHostStatus`
    async fn host_status(&self, url: &str) -> Result<HostStatus, String> {
        #[derive(Deserialize)]
        struct Said {
            status: Option<String>,
            seq: Option<i64>,
        }
        let hostname = &self.config.identity.hostname;
        let url = format!("{url}/xrpc/com.atproto.sync.getHostStatus?hostname={hostname}");
        let answer = self.fetched(self.request(Method::GET, url).body(Bytes::new())).await?;
        if !answer.status().is_success() {
            let is_unknown = error_name(&answer).as_deref() == Some("HostNotFound");
            let unknown = HostStatus { status: UNKNOWN.to_owned(), seq: None };
            return if is_unknown { Ok(unknown) } else { Err(refusal(&answer)) };
        }
        let said: Said = serde_json::from_slice(answer.body())
            .map_err(|_| "the answer is not that of com.atproto.sync.getHostStatus".to_owned())?;
        let status = said.status.as_deref().map_or_else(|| "unspecified".to_owned(), printable);
        // Some hosts keep no number that JavaScript does not know.
        let seq = said.seq.filter(|seq| (0..=nacre_lexicon::MAX_INTEGER).contains(seq));
        Ok(HostStatus { status, seq })
    }

    fn request(&self, method: Method, url: String) -> http::request::Builder {
        let agent = concat!("nacre/", env!("CARGO_PKG_VERSION"));
        Request::builder().method(method).uri(url).header(header::USER_AGENT, agent)
    }

    async fn fetched(
        &self,
        request: Result<Request<Bytes>, http::Error>,
    ) -> Result<Response<Bytes>, String> {
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.host.http.fetch(request, LIMITS).await;
        answer.map_err(|error| printable(&error.to_string()))
    }

    fn stream(&self) -> Result<Stream, SqlError> {
        Ok(Stream {
            now_s: self.now_s(),
            is_heard: !self.host.sockets.list().is_empty(),
            is_new: self.is_new.get(),
            seq: self.account()?.seq,
        })
    }
}

impl RelayState {
    /// Returns when the relay may be asked to crawl, in seconds; `None` if there is no need to.
    fn ask_due_s(&self, stream: Stream) -> Option<i64> {
        let asked_s = past(self.asked_s, stream.now_s);
        let has_news = stream.is_new || stream.seq / 1_000 >= asked_s;
        let is_unheard = !stream.is_heard && stream.seq > 0 && has_news;
        (self.wanted || is_unheard).then(|| self.may_ask_s(stream.now_s))
    }

    /// Returns when the relay may be asked again, in seconds.
    pub(crate) fn may_ask_s(&self, now_s: i64) -> i64 {
        let doublings = self.failures.saturating_sub(1).min(MAX_DOUBLINGS);
        past(self.asked_s, now_s).saturating_add(ASK_PAUSE_S << doublings)
    }

    /// Returns when the relay is to be checked for a lag, in seconds; `None` if there are no new
    /// events.
    fn check_due_s(&self, stream: Stream) -> Option<i64> {
        let is_due = stream.is_heard && stream.seq > self.own_seq;
        is_due.then(|| past(self.checked_s, stream.now_s).saturating_add(CHECK_PAUSE_S))
    }
}

/// Returns a stored time, or 0 if it is in the future because the clock was ahead.
fn past(time_s: i64, now_s: i64) -> i64 {
    if time_s > now_s { 0 } else { time_s }
}

/// Returns the status and the error name of an answer that is not a success.
fn refusal(answer: &Response<Bytes>) -> String {
    let status = answer.status();
    match error_name(answer) {
        Some(error) => printable(&format!("{status}: {error}")),
        None => status.to_string(),
    }
}

/// Returns the name of the XRPC error in an answer.
fn error_name(answer: &Response<Bytes>) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(answer.body()).ok()?;
    Some(body.get("error")?.as_str()?.to_owned())
}

/// Returns the text of a stranger, shortened and without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(MAX_PRINTED_CHARS).collect()
}

/// Status reported for a relay that does not know this host.
const UNKNOWN: &str = "unknown";
/// The statuses of a host that a relay does not follow but could.
const LOST: [&str; 3] = [UNKNOWN, "offline", "idle"];
/// The least time between two requests to crawl; it doubles with each that fails but the first.
const ASK_PAUSE_S: i64 = 20 * 60;
/// Ten hours and forty minutes.
const MAX_DOUBLINGS: u32 = 5;
/// The shortest time between two checks of a relay, and the time it has to catch up: some relays
/// store their position only now and then.
const CHECK_PAUSE_S: i64 = 3_600;
/// How long an answer of a relay is shown before it is asked again.
const FRESH_S: i64 = 60;
const LIMITS: FetchLimits = FetchLimits { body_bytes: 16 * 1024, time: Duration::from_secs(10) };
const MAX_PRINTED_CHARS: usize = 200;
