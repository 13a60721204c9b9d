//! When to ask a relay to crawl, and when to check it for a lag.

use crate::store::RelayState;

/// The state of the event stream that decides which requests are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamState {
    /// The time, in seconds.
    pub(super) now_s: i64,
    /// Whether there are subscribers.
    pub(super) has_subscribers: bool,
    /// Whether no relay has been asked for anything since the account was opened.
    pub(super) is_new: bool,
    /// The `seq` of the last event, which is its time in milliseconds; 0 if there was none.
    pub(super) seq: i64,
}

/// Returns when to ask the relay to crawl, in seconds, or `None` if there is no need to.
pub(super) fn ask_due_s(relay: &RelayState, stream: StreamState) -> Option<i64> {
    let asked_s = past(relay.asked_s, stream.now_s);
    let has_news = stream.is_new || stream.seq / 1_000 >= asked_s;
    let misses_news = !stream.has_subscribers && stream.seq > 0 && has_news;
    (relay.wanted || misses_news).then(|| may_ask_s(relay, stream.now_s))
}

/// Returns the earliest time at which the relay may be asked to crawl again, in seconds.
pub(crate) fn may_ask_s(relay: &RelayState, now_s: i64) -> i64 {
    let doublings = relay.failures.saturating_sub(1).min(MAX_DOUBLINGS);
    past(relay.asked_s, now_s).saturating_add(ASK_PAUSE_S << doublings)
}

/// Returns when to check the relay for a lag, in seconds, or `None` if there are no subscribers or
/// no new events.
pub(super) fn check_due_s(relay: &RelayState, stream: StreamState) -> Option<i64> {
    let is_due = stream.has_subscribers && stream.seq > relay.own_seq;
    is_due.then(|| past(relay.checked_s, stream.now_s).saturating_add(CHECK_PAUSE_S))
}

/// Returns a stored time, or 0 if it is in the future because the clock was ahead.
pub(super) fn past(time_s: i64, now_s: i64) -> i64 {
    if time_s > now_s { 0 } else { time_s }
}

/// The shortest time between two requests to crawl. It doubles with each failure after the first.
const ASK_PAUSE_S: i64 = 20 * 60;
/// Limits that time to ten hours and forty minutes.
const MAX_DOUBLINGS: u32 = 5;
/// The shortest time between two checks of a relay, and the time it has to catch up: some relays
/// only store their position occasionally.
pub(super) const CHECK_PAUSE_S: i64 = 3_600;
