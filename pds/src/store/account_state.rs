//! `AccountState`: the account's row, without its blocks.

use cid::Cid;
use nacre_commit::Head;
use nacre_syntax::Tid;

use super::day_totals::DayTotals;

/// The state of the account as of its last commit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AccountState {
    /// Whether the account is active.
    pub(crate) active: bool,
    /// The current commit.
    pub(crate) head: Head,
    /// The announced commit with the greatest rev; `None` if the account was never active. Differs
    /// from the head while an imported commit waits for activation.
    pub(crate) announced: Option<Announced>,
    /// Sequence number of the last event.
    pub(crate) seq: i64,
    /// Total size of the stored events' frames.
    pub(crate) event_bytes: i64,
    /// Number of records.
    pub(crate) records: i64,
    /// Number of nodes in the tree.
    pub(crate) nodes: i64,
    /// Number of blobs that records refer to.
    pub(crate) blobs: BlobCounts,
    /// What the server had done on the day of the last commit.
    pub(crate) day: DayTotals,
}

/// A commit that was announced to subscribers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Announced {
    pub(crate) rev: Tid,
    pub(crate) cid: Cid,
}

/// Number of blobs that records refer to, or a change of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct BlobCounts {
    /// All referenced blobs.
    pub(crate) referenced: i64,
    /// The stored blobs among them.
    pub(crate) stored: i64,
}

impl AccountState {
    /// Returns the protocol's status of an inactive account, or `None` if the account is active.
    pub(crate) fn status(&self) -> Option<&'static str> {
        (!self.active).then_some(DEACTIVATED)
    }

    /// Returns whether the account was ever active, so that other servers may know it.
    pub(crate) fn was_active(&self) -> bool {
        self.announced.is_some()
    }

    /// Returns the greatest TID in use, which new revs and record keys must exceed: the rev of the
    /// head, or of a commit that was announced before an older one was imported.
    pub(crate) fn last_tid(&self) -> Tid {
        self.announced.map_or(self.head.rev, |announced| announced.rev.max(self.head.rev))
    }

    /// Returns the rev of the current commit.
    pub(crate) fn rev(&self) -> Tid {
        self.head.rev
    }

    /// Returns the CID of the current commit.
    pub(crate) fn commit(&self) -> Cid {
        self.head.cid
    }
}

/// The protocol's status of an account that its owner has deactivated.
pub(crate) const DEACTIVATED: &str = "deactivated";
