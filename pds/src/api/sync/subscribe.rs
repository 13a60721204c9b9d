//! `com.atproto.sync.subscribeRepos`

use http::header;
use nacre_xrpc::{Params, XrpcError};

use crate::Pds;
use crate::api::access::Public;
use crate::api::{Call, Failure, FromParams, Input, Query};
use crate::events::{Client, Subscription};

pub(crate) struct SubscribeRepos {
    cursor: Option<i64>,
    /// The `User-Agent`, or an empty string.
    user_agent: String,
}

struct Cursor(Option<i64>);

/// `com.atproto.sync.subscribeRepos`: the events after a cursor, or from now on.
pub(crate) async fn subscribe_repos(
    pds: &Pds,
    caller: Public,
    input: SubscribeRepos,
) -> Result<Subscription, Failure> {
    let SubscribeRepos { cursor, user_agent } = &input;
    let client = Client { peer: caller.peer, user_agent, cursor: *cursor };
    let last = || Ok(pds.account.state()?.seq);
    Ok(pds.events.subscribers.admit(client, last)?)
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
