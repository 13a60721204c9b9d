//! `com.atproto.repo.*Record`: writes of one record.

use cid::Cid;
use nacre_syntax::{AtIdentifier, AtUri, Nsid, RepoPath};
use nacre_xrpc::XrpcError;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::Pds;
use crate::api::params::{cid, record_path};
use crate::api::{Failure, Json, JsonInput};
use crate::auth::ActiveOwner;
use crate::repo::{Applied, Batch, PreparedWrite, ValidationStatus, WriteError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateRecord {
    repo: AtIdentifier,
    collection: Nsid,
    rkey: Option<String>,
    validate: Option<bool>,
    record: Box<RawValue>,
    swap_commit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutRecord {
    repo: AtIdentifier,
    collection: Nsid,
    rkey: String,
    validate: Option<bool>,
    record: Box<RawValue>,
    #[serde(default, deserialize_with = "given")]
    swap_record: Option<Option<String>>,
    swap_commit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteRecord {
    repo: AtIdentifier,
    collection: Nsid,
    rkey: String,
    #[serde(default, deserialize_with = "given")]
    swap_record: Option<Option<String>>,
    swap_commit: Option<String>,
}

impl JsonInput for CreateRecord {
    const MAX_BYTES: usize = MAX_WRITE_BYTES;
}

impl JsonInput for PutRecord {
    const MAX_BYTES: usize = MAX_WRITE_BYTES;
}

impl JsonInput for DeleteRecord {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Written {
    uri: String,
    cid: String,
    /// Absent if nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitMeta>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_status: Option<ValidationStatus>,
}

#[derive(Serialize)]
pub(crate) struct Deleted {
    /// Absent if there was nothing to delete.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitMeta>,
}

#[derive(Serialize)]
pub(super) struct CommitMeta {
    cid: String,
    rev: String,
}

/// `com.atproto.repo.createRecord`: writes a new record, under a new TID if it has no record key.
pub(crate) async fn create_record(
    pds: &Pds,
    caller: ActiveOwner,
    Json(input): Json<CreateRecord>,
) -> Result<Json<Written>, Failure> {
    pds.access.check_repo(&caller, &input.repo)?;
    let (rkey, last_key) = match input.rkey {
        Some(rkey) => (rkey, None),
        None => {
            let key = pds.repo.record_keys()?.next(pds.host.clock.now_micros());
            (key.to_string(), Some(key))
        }
    };
    let path = record_path(&input.collection, &rkey)?;
    let record = pds.repo.new_record(input.record.get(), &input.collection)?;
    let status = pds.repo.validate(&path, &record, input.validate)?;
    let swap_commit = swap(input.swap_commit.as_deref())?;
    let record_cid = record.cid;
    let mut writes = vec![PreparedWrite::Create { path: path.clone(), record }];
    if input.validate != Some(false) {
        writes.extend(pds.repo.deletes_of_same_subject(&writes[0])?);
    }
    let applied = pds.repo.apply(&Batch { writes, last_key }, swap_commit)?;
    Ok(Json(written(pds, &path, &record_cid, Some(applied), status)))
}

/// `com.atproto.repo.putRecord`: creates or replaces a record. An unchanged record creates no
/// commit.
pub(crate) async fn put_record(
    pds: &Pds,
    caller: ActiveOwner,
    Json(input): Json<PutRecord>,
) -> Result<Json<Written>, Failure> {
    pds.access.check_repo(&caller, &input.repo)?;
    let path = record_path(&input.collection, &input.rkey)?;
    let record = pds.repo.edited_record(input.record.get(), &input.collection)?;
    let status = pds.repo.validate_edited(&path, &record, input.validate)?;
    let swap_commit = swap(input.swap_commit.as_deref())?;
    let current = pds.store.record_cid(&path)?;
    expect_record(input.swap_record, current)?;
    let record_cid = record.cid;
    if current == Some(record_cid) {
        pds.repo.expect_commit(swap_commit)?;
        return Ok(Json(written(pds, &path, &record_cid, None, status)));
    }
    let write = match current {
        Some(_) => PreparedWrite::Update { path: path.clone(), record },
        None => PreparedWrite::Create { path: path.clone(), record },
    };
    let applied = pds.repo.apply(&write.into(), swap_commit)?;
    Ok(Json(written(pds, &path, &record_cid, Some(applied), status)))
}

/// `com.atproto.repo.deleteRecord`: deletes a record. A missing record is not an error.
pub(crate) async fn delete_record(
    pds: &Pds,
    caller: ActiveOwner,
    Json(input): Json<DeleteRecord>,
) -> Result<Json<Deleted>, Failure> {
    pds.access.check_repo(&caller, &input.repo)?;
    let path = record_path(&input.collection, &input.rkey)?;
    let swap_commit = swap(input.swap_commit.as_deref())?;
    let current = pds.store.record_cid(&path)?;
    expect_record(input.swap_record, current)?;
    if current.is_none() {
        pds.repo.expect_commit(swap_commit)?;
        return Ok(Json(Deleted { commit: None }));
    }
    let applied = pds.repo.apply(&PreparedWrite::Delete { path }.into(), swap_commit)?;
    Ok(Json(Deleted { commit: Some(applied.into()) }))
}

/// Parses the commit that a client expects to be the head.
pub(super) fn swap(text: Option<&str>) -> Result<Option<Cid>, XrpcError> {
    text.map(cid).transpose()
}

/// Compares the record that a client expects with the current one. `null` expects no record.
fn expect_record(expected: Option<Option<String>>, current: Option<Cid>) -> Result<(), Failure> {
    let Some(expected) = expected else { return Ok(()) };
    if expected.as_deref().map(cid).transpose()? == current {
        return Ok(());
    }
    Err(WriteError::SwapRecord { current }.into())
}

fn written(
    pds: &Pds,
    path: &RepoPath,
    cid: &Cid,
    applied: Option<Applied>,
    validation_status: Option<ValidationStatus>,
) -> Written {
    Written {
        uri: AtUri::from_path(pds.account.did(), path).as_str().to_owned(),
        cid: cid.to_string(),
        commit: applied.map(CommitMeta::from),
        validation_status,
    }
}

impl From<Applied> for CommitMeta {
    fn from(applied: Applied) -> Self {
        Self { cid: applied.commit.to_string(), rev: applied.rev.to_string() }
    }
}

/// Distinguishes a field that is `null` from an absent one.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The largest body of a write, in bytes.
pub(super) const MAX_WRITE_BYTES: usize = 1_000_000;
