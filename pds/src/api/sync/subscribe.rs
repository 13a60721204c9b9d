//! `com.atproto.sync.subscribeRepos`

use core::net::IpAddr;

use http::header;
use nacre_xrpc::{Params, XrpcError};

use crate::Pds;
use crate::api::{Call, Failure, FromParams, Input, Query};
use crate::auth::access::Public;
use crate::auth::limits;
use crate::host::SqlError;
use crate::pds::Subscription;
use crate::relays::printable;
use crate::store::Subscriber;

pub(crate) struct SubscribeRepos {
    cursor: Option<i64>,
    /// What the subscriber calls itself, empty if nothing.
    user_agent: String,
}

struct Cursor(Option<i64>);

/// `com.atproto.sync.subscribeRepos`: the events after a cursor, or from now on.
pub(crate) async fn subscribe_repos(
    pds: &Pds,
    caller: Public,
    input: SubscribeRepos,
) -> Result<Subscription, Failure> {
    if pds.host.sockets.list().len() >= MAX_SUBSCRIBERS {
        let message = "as many subscribers as there may be are here";
        return Err(XrpcError::new(503, "TooManySubscribers", message).into());
    }
    let network = caller.peer.map(limits::network);
    if pds.is_crowded(network) {
        let message = "as many subscribers as there may be from one address are here";
        return Err(XrpcError::new(429, "TooManySubscribers", message).into());
    }
    if let Err(error) = note(pds, network, &input) {
        // The stream is worth more than the note of who listens.
        pds.host.log.error(&error.to_string());
    }
    // What happens until the socket is accepted is not lost on one that asked for no replay.
    let cursor = match input.cursor {
        Some(cursor) => cursor,
        None => pds.account()?.seq,
    };
    Ok(Subscription { cursor, network })
}

/// Notes who has come, for the operator, but not each time that somebody comes again and again.
fn note(pds: &Pds, network: Option<IpAddr>, input: &SubscribeRepos) -> Result<(), SqlError> {
    let now_s = pds.now_s();
    let network = network.as_ref().map(IpAddr::to_string).unwrap_or_default();
    let lately = pds.store.subscribers_since(now_s.saturating_sub(NOTES_S))?;
    if lately.len() >= MAX_NOTES || lately.iter().any(|known| known.network == network) {
        return Ok(());
    }
    let user_agent = printable(&input.user_agent);
    let subscriber = Subscriber { network, user_agent, connected_s: now_s, cursor: input.cursor };
    pds.store.transaction(|| pds.store.put_subscriber(&subscriber))
}

impl Input for SubscribeRepos {
    async fn read(call: &mut Call) -> Result<Self, Failure> {
        let Query(Cursor(cursor)) = Query::read(call).await?;
        let user_agent = call.header(&header::USER_AGENT).unwrap_or_default().to_owned();
        Ok(Self { cursor, user_agent })
    }
}

impl FromParams for Cursor {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        params.integer("cursor", 0..=nacre_lexicon::MAX_INTEGER).map(Self)
    }
}

/// A relay needs one; each costs memory that a reader who does not read can fill.
const MAX_SUBSCRIBERS: usize = 256;
/// How many networks are noted in how long a time, and each of them once: a note is a row, and
/// strangers decide when they come.
const MAX_NOTES: usize = 10;
const NOTES_S: i64 = 600;
