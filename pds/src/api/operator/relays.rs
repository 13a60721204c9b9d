//! `relays`: the state of each relay, and recent subscribers.

use nacre_syntax::Datetime;
use serde::Serialize;

use crate::Pds;
use crate::api::{Failure, Json, Nothing};
use crate::auth::Operator;
use crate::relays::may_ask_s;
use crate::store::Subscriber;

/// Relays and subscribers.
#[derive(Serialize)]
pub(crate) struct Relays {
    /// The `seq` of the last event.
    seq: i64,
    relays: Vec<RelayStatus>,
    /// Recent subscribers, the latest first. Only the user agent shows which of them are relays.
    subscribers: Vec<SubscriberStatus>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RelayStatus {
    url: String,
    /// When it was last asked to crawl.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Datetime>,
    /// The error of that request.
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_error: Option<String>,
    /// The earliest time of the next crawl request.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_ask: Option<Datetime>,
    /// When it was last asked for its status of this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<Datetime>,
    /// The error of that request.
    #[serde(skip_serializing_if = "Option::is_none")]
    check_error: Option<String>,
    /// Its last answer: `active`, `idle`, `offline`, `throttled`, `banned`, or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// The `seq` of the last event that it reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubscriberStatus {
    network: String,
    user_agent: String,
    /// When it last connected.
    connected: Datetime,
    /// The cursor that it sent then.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<i64>,
    /// The number of its open sockets.
    open: usize,
    /// The `seq` of the last event that was sent to all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
}

/// Returns the status of every relay. Asks those that were last asked a minute or more ago.
pub(crate) async fn relays(pds: &Pds, _: Operator, _: Nothing) -> Result<Json<Relays>, Failure> {
    for url in pds.relays.urls() {
        if pds.relays.is_poll_stale(url)? {
            pds.relays.check(url).await?;
        }
    }
    // If a relay has lost this host, a request to crawl is due.
    pds.scheduler.reschedule();
    let seq = pds.account.state()?.seq;
    let relays = pds.relays.urls().iter().map(|url| relay(pds, url)).collect::<Result<_, _>>()?;
    let subscribers = pds.store.subscribers_since(0)?;
    let subscribers = subscribers.into_iter().map(|known| subscriber(pds, known, seq)).collect();
    Ok(Json(Relays { seq, relays, subscribers }))
}

fn relay(pds: &Pds, url: &str) -> Result<RelayStatus, Failure> {
    let (known, polled) = (pds.store.relay(url)?, pds.relays.last_poll(url)?);
    let was_asked = known.asked_s > 0;
    Ok(RelayStatus {
        url: url.to_owned(),
        asked: was_asked.then(|| time(known.asked_s)),
        next_ask: was_asked.then(|| time(may_ask_s(&known, pds.host.clock.now_s()))),
        ask_error: known.ask_error,
        checked: (polled.asked_s > 0).then(|| time(polled.asked_s)),
        check_error: polled.check_error,
        status: polled.status,
        seq: polled.seq,
    })
}

fn subscriber(pds: &Pds, known: Subscriber, last: i64) -> SubscriberStatus {
    let sent = pds.events.subscribers.sent_to(known.network.parse().ok(), last);
    SubscriberStatus {
        connected: time(known.connected_s),
        open: sent.len(),
        seq: sent.into_iter().min(),
        network: known.network,
        user_agent: known.user_agent,
        cursor: known.cursor,
    }
}

fn time(seconds: i64) -> Datetime {
    Datetime::from_unix_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000))
}
