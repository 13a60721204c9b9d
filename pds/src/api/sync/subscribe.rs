//! `com.atproto.sync.subscribeRepos`

use nacre_xrpc::{Params, XrpcError};

use crate::Pds;
use crate::api::{Failure, FromParams, Query};
use crate::auth::access::Public;
use crate::auth::limits;
use crate::pds::Subscription;
use crate::sequencer::MAX_OF_A_NETWORK;

pub(crate) struct SubscribeRepos {
    cursor: Option<i64>,
}

/// `com.atproto.sync.subscribeRepos`: the events after a cursor, or from now on.
pub(crate) async fn subscribe_repos(
    pds: &Pds,
    caller: Public,
    Query(input): Query<SubscribeRepos>,
) -> Result<Subscription, Failure> {
    if pds.host.sockets.list().len() >= MAX_SUBSCRIBERS {
        let message = "as many subscribers as there may be are here";
        return Err(XrpcError::new(503, "TooManySubscribers", message).into());
    }
    // Behind this machine's own addresses is a proxy, or a test.
    let peer = caller.peer.map(limits::network);
    let network = peer.filter(|peer| !peer.is_loopback() && !peer.is_unspecified());
    if network.is_some_and(|network| pds.subscribers_of(network) >= MAX_OF_A_NETWORK) {
        let message = "as many subscribers as there may be from one address are here";
        return Err(XrpcError::new(429, "TooManySubscribers", message).into());
    }
    // What happens until the socket is accepted is not lost on one that asked for no replay.
    let cursor = match input.cursor {
        Some(cursor) => cursor,
        None => pds.account()?.seq,
    };
    Ok(Subscription { cursor, network })
}

impl FromParams for SubscribeRepos {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        Ok(Self { cursor: params.integer("cursor", 0..=nacre_lexicon::MAX_INTEGER)? })
    }
}

/// A relay needs one; each costs memory that a reader who does not read can fill.
const MAX_SUBSCRIBERS: usize = 256;
