//! `/operator/*`: maintenance methods for the operator.

pub(crate) mod relays;

use nacre_xrpc::XrpcError;
use serde::Serialize;

use super::{Failure, Json, Nothing};
use crate::Pds;
use crate::auth::access::Operator;
use crate::repo::{Audit, AuditError, HealError, Healed};

/// The number of the event that was sent.
#[derive(Serialize)]
pub(crate) struct Emitted {
    seq: i64,
}

/// `emit-identity`: sends an `#identity` event, so that relays and others resolve it again.
pub(crate) async fn emit_identity(
    pds: &Pds,
    _: Operator,
    _: Nothing,
) -> Result<Json<Emitted>, Failure> {
    pds.tell_identity()?;
    Ok(Json(Emitted { seq: pds.account()?.seq }))
}

/// The account after a claim or a reset.
#[derive(Serialize)]
pub(crate) struct Started {
    did: String,
    active: bool,
}

/// `claim`: makes this database the account's owner, whichever the bucket names.
pub(crate) async fn claim(pds: &Pds, _: Operator, _: Nothing) -> Result<Json<Started>, Failure> {
    pds.claim().await?;
    started(pds)
}

/// `reset`: starts over with the configured DID, if the account was never active.
pub(crate) async fn reset(pds: &Pds, _: Operator, _: Nothing) -> Result<Json<Started>, Failure> {
    pds.reset().await?;
    started(pds)
}

fn started(pds: &Pds) -> Result<Json<Started>, Failure> {
    let account = pds.account()?;
    Ok(Json(Started { did: account.head.did.to_string(), active: account.active }))
}

/// `verify`: checks the database and the store of blobs for consistency.
pub(crate) async fn verify(pds: &Pds, _: Operator, _: Nothing) -> Result<Json<Audit>, Failure> {
    Ok(Json(pds.audit_all().await?))
}

/// `heal`: rebuilds derived data and matches the blobs with the store.
pub(crate) async fn heal(pds: &Pds, _: Operator, _: Nothing) -> Result<Json<Healed>, Failure> {
    Ok(Json(pds.heal().await?))
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Busy => XrpcError::new(503, "ServiceUnavailable", error.to_string()).into(),
            AuditError::Blobs(error) => Self::fault(error),
            AuditError::Database(error) => error.into(),
        }
    }
}

impl From<HealError> for Failure {
    fn from(error: HealError) -> Self {
        match error {
            HealError::Audit(error) => error.into(),
            HealError::Blobs(error) => Self::fault(error),
            HealError::Database(error) => error.into(),
            HealError::Importing => {
                XrpcError::new(503, "ServiceUnavailable", error.to_string()).into()
            }
            HealError::Commit | HealError::Record(_) | HealError::Records => {
                XrpcError::new(409, "CannotHeal", error.to_string()).into()
            }
        }
    }
}
