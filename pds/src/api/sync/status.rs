//! `com.atproto.sync.*`: the heads and the status of repositories.

use nacre_xrpc::{Params, XrpcError};
use serde::Serialize;

use super::account::{DidParam, known, readable};
use crate::Pds;
use crate::api::access::{Public, Visitor};
use crate::api::{Failure, FromParams, Json, Query, invalid};

#[derive(Serialize)]
pub(crate) struct LatestCommit {
    cid: String,
    rev: String,
}

#[derive(Serialize)]
pub(crate) struct Root {
    root: String,
}

#[derive(Serialize)]
pub(crate) struct RepoStatus {
    did: String,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rev: Option<String>,
}

pub(crate) struct ListRepos;

#[derive(Serialize)]
pub(crate) struct Repos {
    repos: [RepoHead; 1],
}

#[derive(Serialize)]
struct RepoHead {
    did: String,
    head: String,
    rev: String,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

/// `com.atproto.sync.getLatestCommit`
pub(crate) async fn get_latest_commit(
    pds: &Pds,
    visitor: Visitor,
    Query(input): Query<DidParam>,
) -> Result<Json<LatestCommit>, Failure> {
    let account = readable(pds, &visitor, &input.did)?;
    Ok(Json(LatestCommit { cid: account.commit().to_string(), rev: account.rev().to_string() }))
}

/// `com.atproto.sync.getHead`: the older form of `getLatestCommit`, with its own error names.
pub(crate) async fn get_head(
    pds: &Pds,
    visitor: Visitor,
    Query(input): Query<DidParam>,
) -> Result<Json<Root>, Failure> {
    if !pds.account.identity().is_did(input.did.as_str()) {
        let message = format!("Could not find root for DID: {}", input.did.as_str());
        return Err(XrpcError::new(400, "HeadNotFound", message).into());
    }
    let account = readable(pds, &visitor, &input.did)?;
    Ok(Json(Root { root: account.commit().to_string() }))
}

/// `com.atproto.sync.getRepoStatus`
pub(crate) async fn get_repo_status(
    pds: &Pds,
    _: Public,
    Query(input): Query<DidParam>,
) -> Result<Json<RepoStatus>, Failure> {
    let account = known(pds, &input.did)?;
    Ok(Json(RepoStatus {
        did: account.head.did.as_str().to_owned(),
        active: account.active,
        status: account.status(),
        rev: account.active.then(|| account.rev().to_string()),
    }))
}

/// `com.atproto.sync.listRepos`: the one repository of this server.
pub(crate) async fn list_repos(
    pds: &Pds,
    _: Public,
    Query(ListRepos): Query<ListRepos>,
) -> Result<Json<Repos>, Failure> {
    let account = pds.account.state()?;
    Ok(Json(Repos {
        repos: [RepoHead {
            did: pds.account.did().as_str().to_owned(),
            head: account.commit().to_string(),
            rev: account.rev().to_string(),
            active: account.active,
            status: account.status(),
        }],
    }))
}

impl FromParams for ListRepos {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        params.integer("limit", 1..=1_000)?;
        // There is only one page, so no valid cursor exists.
        match params.optional("cursor")? {
            Some(_) => Err(invalid("Malformed cursor")),
            None => Ok(Self),
        }
    }
}
