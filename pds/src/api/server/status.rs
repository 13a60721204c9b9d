//! `com.atproto.server.*`: how the account stands.

use serde::Serialize;

use crate::Pds;
use crate::api::{Failure, Json, Nothing};
use crate::auth::access::Owner;
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

/// `com.atproto.server.checkAccountStatus`: what a client that moves an account looks at. All of it
/// is counted when it is written.
pub(crate) async fn check_account_status(
    pds: &Pds,
    _: Owner,
    _: Nothing,
) -> Result<Json<AccountStatus>, Failure> {
    let account = pds.account()?;
    let identity = &pds.config.identity;
    Ok(Json(AccountStatus {
        activated: account.active,
        // The document of this one comes from here; others are somewhere else, and not asked for.
        valid_did: identity.did.as_str() == did_web(&identity.hostname),
        repo_commit: account.commit().to_string(),
        repo_rev: account.rev().to_string(),
        // The nodes, the commit, and the records, of which two of equal content count as two.
        repo_blocks: account.nodes + account.records + 1,
        indexed_records: account.records,
        private_state_values: 0,
        expected_blobs: account.blobs.expected,
        imported_blobs: account.blobs.stored,
    }))
}
