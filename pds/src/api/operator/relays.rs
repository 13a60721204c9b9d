//! `relays`: the state of each relay, and recent subscribers.

use nacre_syntax::Datetime;
use serde::Serialize;

use crate::Pds;
use crate::api::{Failure, Json, Nothing};
use crate::auth::access::Operator;
use crate::store::Subscriber;

/// Relays and subscribers.
#[derive(Serialize)]
pub(crate) struct Relays {
    /// The number of the last event.
    seq: i64,
    relays: Vec<Relay>,
    /// Recent subscribers, the latest first. A relay among them is known only by its user agent.
    subscribers: Vec<Listener>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relay {
    url: String,
    /// When it was last asked to crawl.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Datetime>,
    /// Why that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_error: Option<String>,
    /// The earliest time of the next crawl request.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_ask: Option<Datetime>,
    /// When it was last asked for its status of this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<Datetime>,
    /// Why it gave no status.
    #[serde(skip_serializing_if = "Option::is_none")]
    check_error: Option<String>,
    /// What it last said: `active`, `idle`, `offline`, `throttled`, `banned`, or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// The number of the last event that it says it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listener {
    network: String,
    user_agent: String,
    /// When it came last.
    connected: Datetime,
    /// The last event that it had then.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<i64>,
    /// How many sockets it has open now.
    open: usize,
    /// The last event that all of these have been sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
}

/// Returns the status of every relay, after asking those that were not asked for a minute.
pub(crate) async fn relays(pds: &Pds, _: Operator, _: Nothing) -> Result<Json<Relays>, Failure> {
    for url in &pds.config.relays {
        if pds.is_poll_stale(url)? {
            pds.check_relay(url).await?;
        }
    }
    // One of them may have lost us.
    pds.wake();
    let seq = pds.account()?.seq;
    let relays = pds.config.relays.iter().map(|url| relay(pds, url)).collect::<Result<_, _>>()?;
    let subscribers = pds.store.subscribers_since(0)?;
    let subscribers = subscribers.into_iter().map(|who| listener(pds, who, seq)).collect();
    Ok(Json(Relays { seq, relays, subscribers }))
}

fn relay(pds: &Pds, url: &str) -> Result<Relay, Failure> {
    let (known, polled) = (pds.store.relay(url)?, pds.last_poll(url)?);
    let was_asked = known.asked_s > 0;
    Ok(Relay {
        url: url.to_owned(),
        asked: was_asked.then(|| time(known.asked_s)),
        next_ask: was_asked.then(|| time(known.may_ask_s(pds.now_s()))),
        ask_error: known.ask_error,
        checked: (polled.asked_s > 0).then(|| time(polled.asked_s)),
        check_error: polled.check_error,
        status: polled.status,
        seq: polled.seq,
    })
}

fn listener(pds: &Pds, known: Subscriber, last: i64) -> Listener {
    let sent = pds.sent_to(known.network.parse().ok(), last);
    Listener {
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
