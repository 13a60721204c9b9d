//! `com.atproto.sync.getBlob` and `listBlobs`.

use cid::Cid;
use http::request::Parts;
use nacre_syntax::{Did, Tid};
use nacre_xrpc::{Params, XrpcError};
use serde::Serialize;

use super::account::readable;
use crate::Pds;
use crate::api::access::Visitor;
use crate::api::params::cid;
use crate::api::{Call, Failure, FromParams, Input, Json, Query, invalid};
use crate::http::{BlobHead, Download};
use crate::store::BlobQuery;

/// A request for a blob. Its headers may ask for a range.
pub(crate) struct GetBlob {
    did: Did,
    cid: Option<Cid>,
    parts: Parts,
}

pub(crate) struct ListBlobs {
    did: Did,
    since: Option<Tid>,
    limit: i64,
    after: Option<Cid>,
}

#[derive(Serialize)]
pub(crate) struct Blobs {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    cids: Vec<String>,
}

/// `com.atproto.sync.getBlob`: a blob that a record refers to.
pub(crate) async fn get_blob(
    pds: &Pds,
    visitor: Visitor,
    input: GetBlob,
) -> Result<Download, Failure> {
    let account = readable(pds, &visitor, &input.did)?;
    let not_found = || invalid("Blob not found");
    let cid = input.cid.ok_or_else(not_found)?;
    let stored = pds.store.blob(&cid.to_string())?;
    let blob = stored.filter(|blob| blob.idle_since_s.is_none()).ok_or_else(not_found)?;
    let (mime_type, size) = (&*blob.mime_type, blob.size);
    let head = BlobHead { cid, mime_type, size, is_private: !account.active };
    Ok(Download::new(&input.parts, head))
}

/// `com.atproto.sync.listBlobs`: the stored blobs that records refer to.
pub(crate) async fn list_blobs(
    pds: &Pds,
    visitor: Visitor,
    Query(input): Query<ListBlobs>,
) -> Result<Json<Blobs>, Failure> {
    readable(pds, &visitor, &input.did)?;
    let after = input.after.map(|cid| cid.to_string()).unwrap_or_default();
    let page = BlobQuery { after: &after, limit: input.limit };
    let cids = pds.store.list_blobs(input.since, page)?;
    let is_full = i64::try_from(cids.len()) == Ok(input.limit);
    Ok(Json(Blobs { cursor: cids.last().filter(|_| is_full).cloned(), cids }))
}

impl Input for GetBlob {
    async fn read(call: &mut Call) -> Result<Self, Failure> {
        let params = Params::parse(call.parts.uri.query().unwrap_or_default())?;
        let did = params.required_as("did")?;
        // No blob has an invalid CID.
        let cid = Cid::try_from(params.required("cid")?).ok();
        Ok(Self { did, cid, parts: call.parts.clone() })
    }
}

impl FromParams for ListBlobs {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        Ok(Self {
            did: params.required_as("did")?,
            since: params.optional_as("since")?,
            limit: params.integer("limit", 1..=1_000)?.unwrap_or(500),
            after: params.optional("cursor")?.map(cid).transpose()?,
        })
    }
}
