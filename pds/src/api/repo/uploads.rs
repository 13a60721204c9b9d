//! `com.atproto.repo.uploadBlob` and `listMissingBlobs`.

use core::mem;

use cid::Cid;
use http::header;
use nacre_xrpc::{Params, XrpcError, expect_type};
use serde::Serialize;

use crate::Pds;
use crate::api::params::cid;
use crate::api::upload::Upload;
use crate::api::{Call, Failure, FromParams, Input, Json, Query};
use crate::auth::Owner;
use crate::store::BlobQuery;

/// An upload whose body has not been read yet.
pub(crate) struct Blob(Call);

pub(crate) struct ListMissing {
    limit: i64,
    after: Option<Cid>,
}

#[derive(Serialize)]
pub(crate) struct Missing {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    blobs: Vec<RecordBlob>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordBlob {
    cid: String,
    record_uri: String,
}

/// `com.atproto.repo.uploadBlob`. An inactive account may upload too, because it may be moving in.
pub(crate) async fn upload_blob(pds: &Pds, _: Owner, Blob(call): Blob) -> Result<Upload, Failure> {
    Upload::new(call, pds.config.blob_upload_limit)
}

/// `com.atproto.repo.listMissingBlobs`: blobs that records refer to and that are not stored.
pub(crate) async fn list_missing_blobs(
    pds: &Pds,
    _: Owner,
    Query(input): Query<ListMissing>,
) -> Result<Json<Missing>, Failure> {
    let after = input.after.map(|cid| cid.to_string()).unwrap_or_default();
    let page = BlobQuery { after: &after, limit: input.limit };
    let missing = pds.store.list_missing_blobs(page)?;
    let is_full = i64::try_from(missing.len()) == Ok(input.limit);
    let did = pds.account.did().as_str();
    Ok(Json(Missing {
        cursor: missing.last().filter(|_| is_full).map(|last| last.cid.clone()),
        blobs: missing
            .into_iter()
            .map(|missing| RecordBlob {
                record_uri: format!("at://{did}/{}", missing.path.as_str()),
                cid: missing.cid,
            })
            .collect(),
    }))
}

impl Input for Blob {
    async fn read(call: &mut Call) -> Result<Self, Failure> {
        expect_type(call.body_state()?, call.header(&header::CONTENT_TYPE), "*/*")?;
        let body = mem::take(&mut call.body);
        Ok(Self(Call { parts: call.parts.clone(), body, peer: call.peer, tag: call.tag }))
    }
}

impl FromParams for ListMissing {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        Ok(Self {
            limit: params.integer("limit", 1..=1_000)?.unwrap_or(500),
            after: params.optional("cursor")?.map(cid).transpose()?,
        })
    }
}
