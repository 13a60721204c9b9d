//! The one place that maps errors of the server's parts to a status, a name and a message.

use nacre_commit::CommitError;
use nacre_xrpc::XrpcError;

use super::failure::{Failure, invalid};
use crate::auth::{AccessError, SessionError, SignInError};
use crate::blobs::{KeepError, ReferenceError};
use crate::body::{BodyError, UnsupportedCoding};
use crate::events::SubscribeError;
use crate::host::{SqlError, SqlErrorKind};
use crate::integrity::{AuditError, HealError};
use crate::lifecycle::{ActivationError, OwnershipError, ResetError};
use crate::repo::{BlocksError, ExportError, ImportError, RecordError, WriteError};

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::fault(error)
    }
}

impl<E: core::error::Error + 'static> From<nacre_mst::TreeError<E>> for Failure {
    fn from(error: nacre_mst::TreeError<E>) -> Self {
        Self::fault(error)
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Coding => invalid("unable to decode the request body").into(),
            BodyError::TooLarge(_) => XrpcError::payload_too_large().into(),
            BodyError::Interrupted(_) | BodyError::TimedOut => {
                invalid("The request body ended early").into()
            }
        }
    }
}

impl From<UnsupportedCoding> for Failure {
    fn from(error: UnsupportedCoding) -> Self {
        XrpcError::new(415, "UnsupportedMediaType", error.to_string()).into()
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        let refusal = match error {
            AccessError::Database(error) => return error.into(),
            AccessError::Deactivated => {
                XrpcError::new(401, "AccountDeactivated", "Account is deactivated")
            }
            AccessError::Expired => XrpcError::expired_token(),
            AccessError::Malformed => XrpcError::invalid_token("Malformed token"),
            AccessError::MissingTokenId => {
                XrpcError::new(401, "MissingTokenId", "Unexpected missing refresh token id")
            }
            AccessError::NotOperator => {
                XrpcError::auth_required("This method requires the server's AUTH_TOKEN")
            }
            AccessError::OtherAccount => {
                XrpcError::new(403, "AccountNotFound", "Account not found")
            }
            AccessError::OtherRepo => XrpcError::auth_required("Not the owner of this repository"),
            AccessError::Revoked => revoked(),
            AccessError::Scope => XrpcError::invalid_token("Bad token scope"),
            AccessError::Unverified => XrpcError::invalid_token("Token could not be verified"),
        };
        refusal.into()
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Database(error) => error.into(),
            SessionError::Revoked => revoked().into(),
        }
    }
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        let refused = |message| XrpcError::new(401, "AuthenticationRequired", message).into();
        match error {
            SignInError::Database(error) => error.into(),
            SignInError::RateLimited => XrpcError::rate_limit_exceeded().into(),
            SignInError::TooLong => refused("Password too long. Consider resetting your password."),
            SignInError::Wrong => refused("Invalid identifier or password"),
        }
    }
}

impl From<SubscribeError> for Failure {
    fn from(error: SubscribeError) -> Self {
        let status = match error {
            SubscribeError::Database(error) => return error.into(),
            SubscribeError::Full => 503,
            SubscribeError::NetworkFull => 429,
        };
        XrpcError::new(status, "TooManySubscribers", error.to_string()).into()
    }
}

impl From<KeepError> for Failure {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::BeingRemoved => unavailable(error.to_string()),
            KeepError::Database(error) => error.into(),
            KeepError::Store(error) => Self::fault(error),
        }
    }
}

impl From<ReferenceError> for Failure {
    fn from(error: ReferenceError) -> Self {
        let name = match error {
            ReferenceError::Database(error) => return error.into(),
            ReferenceError::NotFound(_) => "BlobNotFound",
            ReferenceError::MimeType { .. } => "InvalidMimeType",
            ReferenceError::Size { .. } => "InvalidSize",
        };
        XrpcError::new(400, name, error.to_string()).into()
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Database(error) => error.into(),
            error => invalid(error.to_string()).into(),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let refusal = match error {
            WriteError::Blob(error) => return error.into(),
            WriteError::Commit(CommitError::AlreadyExists(path)) => {
                invalid(format!("Record already exists: {}", path.as_str()))
            }
            WriteError::Commit(CommitError::NotFound(path)) => {
                invalid(format!("Could not locate record: {}", path.as_str()))
            }
            WriteError::Commit(CommitError::TooManyWrites(_)) => {
                invalid("Too many writes. Max: 200")
            }
            WriteError::Commit(error) => return Self::fault(error),
            WriteError::Database(error) => return error.into(),
            WriteError::EventTooLarge => invalid("Too many writes. Max event size: 2MB"),
            WriteError::Replacing => invalid(REPLACING),
            WriteError::SwapCommit { head } => {
                XrpcError::new(400, "InvalidSwap", format!("Commit was at {head}"))
            }
            WriteError::SwapRecord { current } => {
                let current = current.map_or_else(|| "null".to_owned(), |cid| cid.to_string());
                XrpcError::new(400, "InvalidSwap", format!("Record was at {current}"))
            }
        };
        refusal.into()
    }
}

impl From<BlocksError> for Failure {
    fn from(error: BlocksError) -> Self {
        match error {
            BlocksError::Database(error) => error.into(),
            BlocksError::TooLarge => invalid(error.to_string()).into(),
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Database(error) => error.into(),
            ExportError::NoCommit | ExportError::Tree(_) => Self::fault(error),
            ExportError::TooMany => XrpcError::new(503, "TooManyExports", error.to_string()).into(),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Body(error) => error.into(),
            ImportError::Database(error) if error.kind == SqlErrorKind::QuotaExceeded => {
                XrpcError::new(503, "RowsExhausted", ROW_LIMIT).into()
            }
            ImportError::Database(error) => error.into(),
            error => invalid(error.to_string()).into(),
        }
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Busy => unavailable(error.to_string()),
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
            HealError::Replacing => unavailable(error.to_string()),
            HealError::Commit | HealError::Record(_) | HealError::Records => {
                XrpcError::new(409, "CannotHeal", error.to_string()).into()
            }
        }
    }
}

impl From<ActivationError> for Failure {
    fn from(error: ActivationError) -> Self {
        match error {
            ActivationError::Database(error) => error.into(),
            ActivationError::Replacing => invalid(REPLACING).into(),
        }
    }
}

impl From<OwnershipError> for Failure {
    fn from(error: OwnershipError) -> Self {
        match error {
            OwnershipError::Database(error) => error.into(),
            OwnershipError::FirstCommit(_) => Self::fault(error),
            OwnershipError::Disowned(_)
            | OwnershipError::Marker(_)
            | OwnershipError::OtherAccount => {
                XrpcError::new(503, "AccountNotOpened", error.to_string()).into()
            }
        }
    }
}

impl From<ResetError> for Failure {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::Blobs(_) => Self::fault(error),
            ResetError::Database(error) => error.into(),
            ResetError::Replacing | ResetError::Start(_) => unavailable(error.to_string()),
            ResetError::WasActive(_) => {
                XrpcError::new(409, "AccountWasActive", error.to_string()).into()
            }
        }
    }
}

/// Returns the refusal of a token that is no longer valid.
fn revoked() -> XrpcError {
    XrpcError::new(400, "ExpiredToken", "Token has been revoked")
}

fn unavailable(message: String) -> Failure {
    XrpcError::new(503, "ServiceUnavailable", message).into()
}

const REPLACING: &str = "an import or a heal is in progress; try again when it has ended";
const ROW_LIMIT: &str = "reached the daily limit of rows written on Cloudflare's free plan; the \
    blocks so far are kept, so send the same file again after 00:00 UTC to resume the import";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_over_the_daily_row_limit_reports_when_to_resume() {
        let error = SqlError::new(SqlErrorKind::QuotaExceeded, "rows written");
        let failure = Failure::from(ImportError::Database(error));
        let Failure::Refused(error) = failure else { panic!("{failure:?}") };
        assert_eq!((error.status, &*error.name), (503, "RowsExhausted"));
        assert!(error.message.contains("after 00:00 UTC"), "{}", error.message);
        let other = Failure::from(ImportError::Database(SqlError::other("disk I/O error")));
        assert!(matches!(other, Failure::Fault(_)));
    }
}
