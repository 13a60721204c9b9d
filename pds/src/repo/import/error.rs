//! Errors of imports.

use cid::Cid;
use nacre_car::CarError;
use nacre_commit::DecodeError;
use nacre_mst::NodeError;
use nacre_syntax::{Did, RepoPath, Tid};
use nacre_xrpc::shown;

use crate::body::BodyError;
use crate::host::SqlError;

/// Why a CAR was not imported. Everything but [`Self::Database`] is the client's fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(
        "the account is active: deactivate it first (com.atproto.server.deactivateAccount), then \
         import and activate it again"
    )]
    Active,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Car(#[from] CarError),
    #[error("not a valid commit: {0}")]
    Commit(#[from] DecodeError),
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("commit rev is in the future: {0}")]
    Future(Tid),
    #[error("Another import is under way")]
    Replacing,
    #[error("missing block: {0}")]
    Missing(Cid),
    #[error("invalid tree node {0}: {1}")]
    Node(Cid, NodeError),
    #[error("the repository belongs to {0}")]
    Other(Did),
    #[error("not a record path: {}", shown(.0))]
    Path(String),
    #[error("{}", unreadable_records(.0))]
    Records(Vec<(RepoPath, String)>),
    #[error("expected one root")]
    Roots,
    #[error("tree root does not match its entries")]
    Tree,
}

fn unreadable_records(records: &[(RepoPath, String)]) -> String {
    let each = |(path, reason): &(RepoPath, String)| {
        format!("Could not parse record at '{}': {reason}", path.as_str())
    };
    records.iter().map(each).collect::<Vec<_>>().join("; ")
}
