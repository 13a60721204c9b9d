//! `com.atproto.identity.*`

use nacre_syntax::Handle;
use nacre_xrpc::{Params, XrpcError};
use serde::Serialize;

use super::access::Public;
use super::{Failure, FromParams, Json, Query};
use crate::Pds;

pub(crate) struct ResolveHandle {
    handle: Handle,
}

#[derive(Serialize)]
pub(crate) struct Resolved {
    did: String,
}

/// `com.atproto.identity.resolveHandle`: resolves the account's own handle while it is active.
pub(crate) async fn resolve_handle(
    pds: &Pds,
    _: Public,
    Query(input): Query<ResolveHandle>,
) -> Result<Json<Resolved>, Failure> {
    let identity = pds.account.identity();
    if input.handle != identity.handle {
        return Err(XrpcError::invalid_request(UNRESOLVED).into());
    }
    if !pds.account.state()?.active {
        return Err(XrpcError::new(400, "HandleNotFound", UNRESOLVED).into());
    }
    Ok(Json(Resolved { did: identity.did.as_str().to_owned() }))
}

impl FromParams for ResolveHandle {
    fn from_params(params: &Params<'_>) -> Result<Self, XrpcError> {
        let handle: Handle = params.required_as("handle")?;
        Ok(Self { handle: handle.to_normalized() })
    }
}

const UNRESOLVED: &str = "Unable to resolve handle";
