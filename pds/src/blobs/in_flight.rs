//! Removals of blobs in flight, and the back-off after failed ones.

use alloc::collections::BTreeSet;
use core::cell::{Cell, RefCell};

use cid::Cid;

use crate::scheduler::MIN_PAUSE_S;

/// The removals of this process.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    in_flight: RefCell<BTreeSet<Cid>>,
    backoff: Cell<Backoff>,
}

/// A removal in flight. Until it is dropped, the blob cannot be uploaded.
pub(crate) struct Removal<'r> {
    in_flight: &'r RefCell<BTreeSet<Cid>>,
    pub(super) cid: Cid,
}

#[derive(Clone, Copy, Debug, Default)]
struct Backoff {
    failures: u32,
    retry_s: i64,
}

impl Removals {
    /// Starts a pending removal. Returns `None` if it is already in flight.
    pub(crate) fn begin(&self, cid: Cid) -> Option<Removal<'_>> {
        let is_new = self.in_flight.borrow_mut().insert(cid);
        // Not `then_some`, because dropping a `Removal` ends the removal in flight.
        is_new.then(|| Removal { in_flight: &self.in_flight, cid })
    }

    /// Returns whether a blob is being removed.
    pub(super) fn is_in_flight(&self, cid: &Cid) -> bool {
        self.in_flight.borrow().contains(cid)
    }

    /// Returns when to retry failed removals, in seconds. Returns `now_s` if that time is so late
    /// that the clock must have been ahead when it was set.
    pub(super) fn retry_s(&self, now_s: i64) -> i64 {
        let latest_s = now_s.saturating_add(MIN_PAUSE_S << MAX_DOUBLINGS);
        let Backoff { retry_s, .. } = self.backoff.get();
        if retry_s > latest_s { now_s } else { retry_s }
    }

    /// Doubles the pause before the next retry.
    pub(super) fn back_off(&self, now_s: i64) {
        let Backoff { failures, .. } = self.backoff.get();
        let pause_s = MIN_PAUSE_S << failures.min(MAX_DOUBLINGS);
        let retry_s = now_s.saturating_add(pause_s);
        self.backoff.set(Backoff { failures: failures.saturating_add(1), retry_s });
    }

    /// Ends the back-off, after a round without failures.
    pub(super) fn end_back_off(&self) {
        self.backoff.set(Backoff::default());
    }
}

impl Drop for Removal<'_> {
    fn drop(&mut self) {
        self.in_flight.borrow_mut().remove(&self.cid);
    }
}

/// Limits the pause between retries to about an hour.
const MAX_DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::super::intake::raw_cid;
    use super::*;

    #[test]
    fn second_removal_of_a_blob_does_not_end_the_first() {
        let removals = Removals::default();
        let cid = raw_cid(&[1; 32]);
        let first = removals.begin(cid).unwrap();
        assert!(removals.begin(cid).is_none());
        assert!(removals.is_in_flight(&cid));
        drop(first);
        assert!(!removals.is_in_flight(&cid));
    }
}
