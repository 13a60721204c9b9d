//! What the operator's own tools call, with the operator's token: under `/operator/`, as it is no
//! part of the protocol.

use nacre_xrpc::{Kind, XrpcError};

use super::{Call, Failure, Json, Output as _};
use crate::Pds;
use crate::auth::access::{Access as _, Operator};
use crate::pds::Reply;
use crate::repo::{AuditError, HealError};

/// Calls what is named `command`.
pub(crate) async fn dispatch(pds: &Pds, command: &str, call: Call) -> Result<Reply, Failure> {
    let method = call.parts.method.as_str();
    match command {
        "verify" => {
            Kind::Query.expect_verb(method)?;
            Operator::admit(pds, &call)?;
            Json(pds.audit_all().await?).into_reply()
        }
        "heal" => {
            Kind::Procedure.expect_verb(method)?;
            Operator::admit(pds, &call)?;
            Json(pds.heal().await?).into_reply()
        }
        _ => Err(XrpcError::not_found("Not Found").into()),
    }
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
