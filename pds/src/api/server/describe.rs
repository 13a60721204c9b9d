//! `com.atproto.server.describeServer`

use serde::Serialize;

use crate::Pds;
use crate::api::access::Public;
use crate::api::{Failure, Json, Nothing};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Description {
    did: String,
    available_user_domains: [&'static str; 0],
    invite_code_required: bool,
    blob_upload_limit: u64,
    links: Links,
    contact: Contact,
}

#[derive(Serialize)]
struct Links {}

#[derive(Serialize)]
struct Contact {}

/// `com.atproto.server.describeServer`. Clients learn from the required invite code and the empty
/// list of domains that they cannot create accounts here.
pub(crate) async fn describe_server(
    pds: &Pds,
    _: Public,
    _: Nothing,
) -> Result<Json<Description>, Failure> {
    Ok(Json(Description {
        did: pds.account.identity().service_did(),
        available_user_domains: [],
        invite_code_required: true,
        blob_upload_limit: pds.config.blob_upload_limit,
        links: Links {},
        contact: Contact {},
    }))
}
