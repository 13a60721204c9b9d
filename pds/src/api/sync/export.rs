//! `com.atproto.sync.getRepo` and `getCheckout`: exports of the repository.

use nacre_syntax::{Did, Tid};
use nacre_xrpc::{Params, XrpcError};

use super::account::{DidParam, readable};
use crate::Pds;
use crate::api::access::Visitor;
use crate::api::{Failure, FromParams, Query};
use crate::repo::Export;

pub(crate) struct GetRepo {
    did: Did,
    since: Option<Tid>,
}

/// `com.atproto.sync.getRepo`: the repository, or the part that is newer than a rev, as a CAR.
pub(crate) async fn get_repo(
    pds: &Pds,
    visitor: Visitor,
    Query(input): Query<GetRepo>,
) -> Result<Export, Failure> {
    readable(pds, &visitor, &input.did)?;
    Ok(pds.repo.export(input.since)?)
}

/// `com.atproto.sync.getCheckout`: the older name of `getRepo` without `since`.
pub(crate) async fn get_checkout(
    pds: &Pds,
    visitor: Visitor,
    Query(input): Query<DidParam>,
) -> Result<Export, Failure> {
    readable(pds, &visitor, &input.did)?;
    Ok(pds.repo.export(None)?)
}

impl FromParams for GetRepo {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        Ok(Self { did: params.required_as("did")?, since: params.optional_as("since")? })
    }
}
