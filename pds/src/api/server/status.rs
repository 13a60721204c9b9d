//! `com.atproto.server.*`: the status of the account.

use serde::Serialize;

use crate::Pds;
use crate::api::{Failure, Json, Nothing};
use crate::auth::Owner;
use crate::config::did_web;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountStatus {
    activated: bool,
    valid_did: bool,
    repo_commit: String,
    repo_rev: String,
    repo_blocks: i64,
    indexed_records: i64,
    private_state_values: i64,
    expected_blobs: i64,
    imported_blobs: i64,
}

/// `com.atproto.server.checkAccountStatus`: the progress of a migration, for the client that runs
/// it. Reads counters only.
pub(crate) async fn check_account_status(
    pds: &Pds,
    _: Owner,
    _: Nothing,
) -> Result<Json<AccountStatus>, Failure> {
    let account = pds.account.state()?;
    let identity = pds.account.identity();
    Ok(Json(AccountStatus {
        activated: account.active,
        // Documents of other DIDs are stored elsewhere and are not checked.
        valid_did: identity.did.as_str() == did_web(&identity.hostname),
        repo_commit: account.commit().to_string(),
        repo_rev: account.rev().to_string(),
        // The nodes, the records and the commit. Records with equal content count separately.
        repo_blocks: account.nodes + account.records + 1,
        indexed_records: account.records,
        private_state_values: 0,
        expected_blobs: account.blobs.referenced,
        imported_blobs: account.blobs.stored,
    }))
}
