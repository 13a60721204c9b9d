//! `/operator/*`: maintenance methods for the operator.

pub(crate) mod metrics;
pub(crate) mod relays;

use serde::Serialize;

use super::{Failure, Json, Nothing};
use crate::Pds;
use crate::auth::Operator;
use crate::integrity::{Audit, Healed};

/// The sequence number of the event that was sent.
#[derive(Serialize)]
pub(crate) struct Emitted {
    seq: i64,
}

/// `emit-identity`: sends an `#identity` event, so that subscribers resolve the identity again.
pub(crate) async fn emit_identity(
    pds: &Pds,
    _: Operator,
    _: Nothing,
) -> Result<Json<Emitted>, Failure> {
    pds.activation.announce_identity()?;
    Ok(Json(Emitted { seq: pds.account.state()?.seq }))
}

/// The account after a claim or a reset.
#[derive(Serialize)]
pub(crate) struct Started {
    did: String,
    active: bool,
}

/// `claim`: makes this database the account's owner, whatever the bucket says.
pub(crate) async fn claim(pds: &Pds, _: Operator, _: Nothing) -> Result<Json<Started>, Failure> {
    pds.ownership.claim().await?;
    started(pds)
}

/// `reset`: starts over with the configured DID if the account was never active.
pub(crate) async fn reset(pds: &Pds, _: Operator, _: Nothing) -> Result<Json<Started>, Failure> {
    pds.reset().await?;
    started(pds)
}

fn started(pds: &Pds) -> Result<Json<Started>, Failure> {
    let account = pds.account.state()?;
    Ok(Json(Started { did: account.head.did.to_string(), active: account.active }))
}

/// `verify`: checks the database and the blob store for consistency.
pub(crate) async fn verify(pds: &Pds, _: Operator, _: Nothing) -> Result<Json<Audit>, Failure> {
    Ok(Json(pds.audit().await?))
}

/// `heal`: rebuilds derived data, and reconciles the blobs in the database with those in the store.
pub(crate) async fn heal(pds: &Pds, _: Operator, _: Nothing) -> Result<Json<Healed>, Failure> {
    Ok(Json(pds.heal().await?))
}
