//! `com.atproto.repo.applyWrites`: several writes as one commit.

use nacre_commit::MAX_WRITES;
use nacre_syntax::{AtIdentifier, AtUri, Nsid, Tid, TidClock};
use nacre_xrpc::{XrpcError, shown};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::write::{CommitMeta, MAX_WRITE_BYTES, swap};
use crate::Pds;
use crate::api::params::record_path;
use crate::api::{Failure, Json, JsonInput, invalid};
use crate::auth::ActiveOwner;
use crate::repo::{Batch, NetWrites, PreparedWrite, ValidationStatus};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplyWrites {
    repo: AtIdentifier,
    validate: Option<bool>,
    writes: Vec<Write>,
    swap_commit: Option<String>,
}

#[derive(Deserialize)]
struct Write {
    #[serde(rename = "$type")]
    action: String,
    collection: Nsid,
    rkey: Option<String>,
    value: Option<Box<RawValue>>,
}

impl JsonInput for ApplyWrites {
    const MAX_BYTES: usize = MAX_WRITE_BYTES;
}

#[derive(Serialize)]
pub(crate) struct Results {
    /// Absent if nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitMeta>,
    results: Vec<WriteResult>,
}

/// The result of one write.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WriteResult {
    #[serde(rename = "$type")]
    action: &'static str,
    #[serde(flatten)]
    record: Option<Written>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    uri: String,
    cid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_status: Option<ValidationStatus>,
}

/// `com.atproto.repo.applyWrites`: applies all of the writes, in order, or none. The commit has
/// their net effect on each path. A batch without a net effect creates no commit.
pub(crate) async fn apply_writes(
    pds: &Pds,
    caller: ActiveOwner,
    Json(input): Json<ApplyWrites>,
) -> Result<Json<Results>, Failure> {
    pds.access.check_repo(&caller, &input.repo)?;
    if input.writes.len() > MAX_WRITES {
        return Err(invalid("Too many writes. Max: 200").into());
    }
    let swap_commit = swap(input.swap_commit.as_deref())?;
    let mut keys = Keys { clock: pds.repo.record_keys()?, last: None };
    let mut net = NetWrites::new(&pds.store);
    let mut results = Vec::with_capacity(input.writes.len());
    for write in input.writes {
        let (write, result) = prepare(pds, write, input.validate, &mut keys)?;
        net.push(write)?;
        results.push(result);
    }
    let batch = Batch { writes: net.finish(), last_key: keys.last };
    if batch.writes.is_empty() {
        pds.repo.expect_commit(swap_commit)?;
        return Ok(Json(Results { commit: None, results }));
    }
    let applied = pds.repo.apply(&batch, swap_commit)?;
    Ok(Json(Results { commit: Some(applied.into()), results }))
}

/// Generates keys for records without one.
struct Keys {
    clock: TidClock,
    last: Option<Tid>,
}

impl Keys {
    fn next(&mut self, pds: &Pds) -> Tid {
        *self.last.insert(self.clock.next(pds.host.clock.now_micros()))
    }
}

/// Checks one write as far as possible without the writes before it.
fn prepare(
    pds: &Pds,
    write: Write,
    validate: Option<bool>,
    keys: &mut Keys,
) -> Result<(PreparedWrite, WriteResult), Failure> {
    let rkey = match (write.action.as_str(), write.rkey) {
        (_, Some(rkey)) => rkey,
        (CREATE, None) => keys.next(pds).to_string(),
        (UPDATE | DELETE, None) => return Err(missing("rkey").into()),
        (other, None) => return Err(unsupported(other).into()),
    };
    let path = record_path(&write.collection, &rkey)?;
    let action = match write.action.as_str() {
        DELETE => {
            let result =
                WriteResult { action: "com.atproto.repo.applyWrites#deleteResult", record: None };
            return Ok((PreparedWrite::Delete { path }, result));
        }
        CREATE => "com.atproto.repo.applyWrites#createResult",
        UPDATE => "com.atproto.repo.applyWrites#updateResult",
        other => return Err(unsupported(other).into()),
    };
    let value = write.value.ok_or_else(|| missing("value"))?;
    let (record, validation_status) = if write.action == CREATE {
        let record = pds.repo.new_record(value.get(), &write.collection)?;
        let status = pds.repo.validate(&path, &record, validate)?;
        (record, status)
    } else {
        let record = pds.repo.edited_record(value.get(), &write.collection)?;
        let status = pds.repo.validate_edited(&path, &record, validate)?;
        (record, status)
    };
    let uri = AtUri::from_path(pds.account.did(), &path).as_str().to_owned();
    let written = Written { uri, cid: record.cid.to_string(), validation_status };
    let result = WriteResult { action, record: Some(written) };
    let write = if write.action == CREATE {
        PreparedWrite::Create { path, record }
    } else {
        PreparedWrite::Update { path, record }
    };
    Ok((write, result))
}

fn missing(property: &str) -> XrpcError {
    invalid(format!("A write must have the property \"{property}\""))
}

fn unsupported(action: &str) -> XrpcError {
    invalid(format!("Action not supported: {}", shown(action)))
}

const CREATE: &str = "com.atproto.repo.applyWrites#create";
const DELETE: &str = "com.atproto.repo.applyWrites#delete";
const UPDATE: &str = "com.atproto.repo.applyWrites#update";
