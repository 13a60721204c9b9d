//! The account that a caller asks for by its DID.

use alloc::rc::Rc;

use nacre_syntax::Did;
use nacre_xrpc::{Params, XrpcError};

use crate::Pds;
use crate::api::access::Visitor;
use crate::api::{Failure, FromParams};
use crate::store::AccountState;

/// The `did` parameter of most of these methods.
pub(crate) struct DidParam {
    pub(super) did: Did,
}

impl FromParams for DidParam {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        Ok(Self { did: params.required_as("did")? })
    }
}

/// Returns the account of `did`, or refuses the call.
pub(super) fn known(pds: &Pds, did: &Did) -> Result<Rc<AccountState>, Failure> {
    if pds.account.identity().is_did(did.as_str()) {
        return Ok(pds.account.state()?);
    }
    let message = format!("Could not find repo for DID: {}", did.as_str());
    Err(XrpcError::new(400, "RepoNotFound", message).into())
}

/// Returns the account of `did` if `visitor` may read it, or refuses the call.
pub(super) fn readable(
    pds: &Pds,
    visitor: &Visitor,
    did: &Did,
) -> Result<Rc<AccountState>, Failure> {
    let account = known(pds, did)?;
    if account.active || visitor.is_owner {
        return Ok(account);
    }
    let message = format!("Repo has been deactivated: {}", did.as_str());
    Err(XrpcError::new(400, "RepoDeactivated", message).into())
}
