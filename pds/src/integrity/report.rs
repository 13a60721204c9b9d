//! The report of an audit.

use serde::Serialize;

use crate::host::{BlobsError, SqlError};

/// The result of an audit.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// The number of records.
    pub records: u64,
    /// The number of references from records to blobs.
    pub blob_references: u64,
    /// The number of blobs, including idle ones.
    pub blobs: u64,
    /// The number of records that the subject index needs: likes, reposts, follows and blocks.
    pub subjects: u64,
    /// The number of nodes of the tree.
    pub nodes: u64,
    /// The number of pages that store the tree.
    pub pages: u64,
    /// The faults found, at most [`Self::MAX_FAULTS`]. Empty if everything is consistent.
    pub faults: Vec<String>,
    /// Other facts for the operator: variables that differ from the first start, the owner marker,
    /// and stored blobs that the database does not know yet.
    pub warnings: Vec<String>,
    /// The repairs that the faults need.
    #[serde(skip)]
    pub(super) needs: Needs,
}

/// The repairs that the faults of an audit need.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Needs {
    /// A rebuild of derived data from the commit and the records.
    pub(super) rebuild: bool,
    /// A reconciliation of the blobs in the database with those in the blob store.
    pub(super) blobs: bool,
    /// A recount of blobs, and new idle marks.
    pub(super) blob_marks: bool,
}

/// Why an audit could not be finished.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The blob store cannot be read.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The repository kept changing, or too many audits are running.
    #[error("the repository is busy; try again")]
    Busy,
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] SqlError),
}

/// The kind of a fault, which decides how it is repaired.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// Blob counters and idle marks.
    BlobMarks,
    /// The blob store.
    Blobs,
    /// Derived data, or the commit or records that it is derived from.
    Derived,
    /// A fault that cannot be repaired.
    Permanent,
}

impl Audit {
    /// The most faults that are listed.
    pub const MAX_FAULTS: usize = 100;

    /// Adds a fault.
    pub(super) fn fault(&mut self, kind: Fault, text: String) {
        match kind {
            Fault::BlobMarks => self.needs.blob_marks = true,
            Fault::Blobs => self.needs.blobs = true,
            Fault::Derived => self.needs.rebuild = true,
            Fault::Permanent => {}
        }
        if self.faults.len() < Self::MAX_FAULTS {
            self.faults.push(text);
        }
    }

    /// Adds a fault of derived data.
    pub(super) fn derived(&mut self, text: String) {
        self.fault(Fault::Derived, text);
    }
}
