//! `com.atproto.sync.*`

pub(crate) mod blob;
pub(crate) mod blocks;
pub(crate) mod crawl;
pub(crate) mod export;
pub(crate) mod status;
pub(crate) mod subscribe;

use nacre_syntax::Did;
use nacre_xrpc::{Params, XrpcError};

use super::{Failure, FromParams};
use crate::Pds;
use crate::auth::access::Visitor;
use crate::store::Account;

/// The `did` parameter that most of these methods take.
pub(crate) struct Repo {
    did: Did,
}

impl FromParams for Repo {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        Ok(Self { did: params.required_as("did")? })
    }
}

/// Returns the account of `did` if it is here.
fn known(pds: &Pds, did: &Did) -> Result<Account, Failure> {
    if pds.config.identity.is_did(did.as_str()) {
        return Ok(pds.account()?);
    }
    let message = format!("Could not find repo for DID: {}", did.as_str());
    Err(XrpcError::new(400, "RepoNotFound", message).into())
}

/// Returns the account of `did` if it is here and `visitor` may read it.
fn readable(pds: &Pds, visitor: &Visitor, did: &Did) -> Result<Account, Failure> {
    let account = known(pds, did)?;
    if account.active || visitor.is_owner {
        return Ok(account);
    }
    let message = format!("Repo has been deactivated: {}", did.as_str());
    Err(XrpcError::new(400, "RepoDeactivated", message).into())
}
