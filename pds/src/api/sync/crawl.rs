//! `com.atproto.sync.requestCrawl` and `notifyOfUpdate`: methods of relays.
//!
//! A PDS crawls nobody. The reference server accepts both all the same, and clients that announce
//! themselves to every server they know would take a refusal for a fault.

use serde::Deserialize;

use crate::Pds;
use crate::api::{Failure, Json, JsonInput, Nothing};
use crate::auth::access::Public;

/// The server that asks to be crawled. Only its presence and its type are checked.
#[derive(Deserialize)]
pub(crate) struct Crawl {
    #[serde(rename = "hostname")]
    _hostname: String,
}

impl JsonInput for Crawl {
    const MAX_BYTES: usize = 8 * 1024;
}

/// `com.atproto.sync.requestCrawl`: accepted, and nothing follows from it.
pub(crate) async fn request_crawl(_: &Pds, _: Public, _: Json<Crawl>) -> Result<Nothing, Failure> {
    Ok(Nothing)
}

/// `com.atproto.sync.notifyOfUpdate`: the older name of `requestCrawl`.
pub(crate) async fn notify_of_update(
    _: &Pds,
    _: Public,
    _: Json<Crawl>,
) -> Result<Nothing, Failure> {
    Ok(Nothing)
}
