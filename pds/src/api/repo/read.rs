//! `com.atproto.repo.*`: reads.

use cid::Cid;
use nacre_syntax::{AtIdentifier, AtUri, Nsid, RecordKey, RepoPath};
use nacre_xrpc::{Params, XrpcError};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Pds;
use crate::api::access::Public;
use crate::api::params::cid;
use crate::api::{Failure, FromParams, Json, Query, invalid};
use crate::identity::document;
use crate::store::{RecordQuery, StoredRecord};

pub(crate) struct DescribeRepo {
    repo: AtIdentifier,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Description {
    handle: String,
    did: String,
    did_doc: Value,
    collections: Vec<String>,
    handle_is_correct: bool,
}

pub(crate) struct GetRecord {
    repo: AtIdentifier,
    path: RepoPath,
    cid: Option<Cid>,
}

pub(crate) struct ListRecords {
    repo: AtIdentifier,
    collection: Nsid,
    limit: i64,
    cursor: Option<String>,
    reverse: bool,
}

#[derive(Serialize)]
pub(crate) struct Record {
    uri: String,
    cid: String,
    value: Box<RawValue>,
}

#[derive(Serialize)]
pub(crate) struct Records {
    records: Vec<Record>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// `com.atproto.repo.describeRepo`: the owner and the collections of the repository.
pub(crate) async fn describe_repo(
    pds: &Pds,
    _: Public,
    Query(input): Query<DescribeRepo>,
) -> Result<Json<Description>, Failure> {
    readable(pds, &input.repo)?;
    let mut collections: Vec<String> = Vec::new();
    while let Some(collection) =
        pds.store.collection_after(collections.last().map(String::as_str))?
    {
        collections.push(collection.into());
    }
    // In the order of paths, `a.b.c-d` comes before `a.b.c`.
    collections.sort_unstable();
    let identity = pds.account.identity();
    Ok(Json(Description {
        handle: identity.handle.as_str().to_owned(),
        did: identity.did.as_str().to_owned(),
        did_doc: document::of(identity, &identity.handle),
        collections,
        handle_is_correct: true,
    }))
}

/// `com.atproto.repo.getRecord`
pub(crate) async fn get_record(
    pds: &Pds,
    _: Public,
    Query(input): Query<GetRecord>,
) -> Result<Json<Record>, Failure> {
    if !pds.account.identity().is_named(&input.repo) {
        return Err(invalid("Could not locate record").into());
    }
    let found = if pds.account.state()?.active { pds.store.record(&input.path)? } else { None };
    let found = found.filter(|record| input.cid.is_none_or(|cid| cid == record.cid));
    let Some(found) = found else {
        let uri = AtUri::from_path(pds.account.did(), &input.path);
        let message = format!("Could not locate record: {}", uri.as_str());
        return Err(XrpcError::new(400, "RecordNotFound", message).into());
    };
    Ok(Json(record(pds, &input.path.collection(), found)?))
}

/// `com.atproto.repo.listRecords`: the newest record first, unless `reverse`.
pub(crate) async fn list_records(
    pds: &Pds,
    _: Public,
    Query(input): Query<ListRecords>,
) -> Result<Json<Records>, Failure> {
    readable(pds, &input.repo)?;
    let found = pds.store.records(&RecordQuery {
        collection: input.collection.as_deref(),
        after: input.cursor.as_deref(),
        limit: input.limit,
        reverse: input.reverse,
    })?;
    let full = i64::try_from(found.len()).is_ok_and(|count| count == input.limit);
    let cursor = found.last().filter(|_| full).map(|record| record.rkey.as_str().to_owned());
    let collection = input.collection.as_deref();
    let records = found.into_iter().map(|found| record(pds, &collection, found));
    Ok(Json(Records { records: records.collect::<Result<_, _>>()?, cursor }))
}

/// Refuses repositories that are not on this server or whose account is deactivated.
fn readable(pds: &Pds, repo: &AtIdentifier) -> Result<(), Failure> {
    if pds.account.identity().is_named(repo) && pds.account.state()?.active {
        Ok(())
    } else {
        Err(invalid(format!("Could not find repo: {}", repo.as_str())).into())
    }
}

fn record(pds: &Pds, collection: &Nsid<&str>, found: StoredRecord) -> Result<Record, Failure> {
    // An imported record may violate a current rule. It is converted as far as JSON can express it,
    // so that it does not make the whole page fail.
    let value = nacre_lexicon::to_json_lossy(&found.value).unwrap_or_else(|_| "null".to_owned());
    let uri = AtUri::from_parts(pds.account.did(), collection, &found.rkey);
    Ok(Record {
        uri: uri.as_str().to_owned(),
        cid: found.cid.to_string(),
        value: RawValue::from_string(value).map_err(Failure::fault)?,
    })
}

impl FromParams for DescribeRepo {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        Ok(Self { repo: params.required_as("repo")? })
    }
}

impl FromParams for GetRecord {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        let collection: Nsid = params.required_as("collection")?;
        let rkey: RecordKey = params.required_as("rkey")?;
        Ok(Self {
            repo: params.required_as("repo")?,
            path: RepoPath::from_parts(&collection, &rkey),
            cid: params.optional("cid")?.map(cid).transpose()?,
        })
    }
}

impl FromParams for ListRecords {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        Ok(Self {
            repo: params.required_as("repo")?,
            collection: params.required_as("collection")?,
            limit: params.integer("limit", 1..=100)?.unwrap_or(50),
            cursor: params.optional("cursor")?.map(str::to_owned),
            reverse: params.boolean("reverse")?.unwrap_or(false),
        })
    }
}
