//! `com.atproto.sync.requestCrawl` and `notifyOfUpdate`: methods of relays.
//!
//! A PDS does not crawl. It accepts both methods anyway, as the reference server does, because some
//! clients call them on every server and report a refusal as an error.

use serde::Deserialize;

use crate::Pds;
use crate::api::access::Public;
use crate::api::{Failure, Json, JsonInput, Nothing};

/// The host name to crawl. It is only checked to be present and text.
#[derive(Deserialize)]
pub(crate) struct Crawl {
    #[serde(rename = "hostname")]
    _hostname: String,
}

impl JsonInput for Crawl {
    const MAX_BYTES: usize = 8 * 1024;
}

/// `com.atproto.sync.requestCrawl`: accepted without effect.
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
