//! `com.atproto.sync.getRepo`

use nacre_syntax::{Did, Tid};
use nacre_xrpc::{Params, XrpcError};

use super::readable;
use crate::Pds;
use crate::api::{Car, Failure, FromParams, Query};
use crate::auth::access::Visitor;
use crate::repo;

pub(crate) struct GetRepo {
    did: Did,
    since: Option<Tid>,
}

/// `com.atproto.sync.getRepo`: the repository, or what is newer than a rev, as a CAR.
pub(crate) async fn get_repo(
    pds: &Pds,
    visitor: Visitor,
    Query(input): Query<GetRepo>,
) -> Result<Car, Failure> {
    readable(pds, &visitor, &input.did)?;
    Ok(Car(repo::export(&pds.store, input.since)?))
}

impl FromParams for GetRepo {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        Ok(Self { did: params.required_as("did")?, since: params.optional_as("since")? })
    }
}
