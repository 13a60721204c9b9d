//! Frames of events.
//!
//! <https://atproto.com/specs/event-stream>

use alloc::collections::BTreeSet;

use cid::Cid;
use nacre_car::Writer;
use nacre_commit::{Commit, CommitDiff};
use nacre_firehose::{AccountEvent, CommitEvent, IdentityEvent, SyncEvent};
use nacre_lexicon::Record;

/// Returns the CAR of a `#commit`: the commit, the new nodes of the tree, the nodes of the covering
/// proof, and the new records. A verifier needs nothing else to invert the commit.
pub(crate) fn commit_car<'r>(
    diff: &CommitDiff,
    records: impl Iterator<Item = &'r Record>,
) -> Vec<u8> {
    let mut car = Writer::new(&diff.cid);
    let mut written = BTreeSet::new();
    let mut write = |cid: &Cid, bytes: &[u8]| {
        if written.insert(*cid) {
            car.block(cid, bytes);
        }
    };
    write(&diff.cid, &diff.bytes);
    for (cid, bytes) in diff.new_nodes() {
        write(&cid, bytes);
    }
    for (cid, bytes) in &diff.proof {
        write(cid, bytes);
    }
    for record in records {
        write(&record.cid, &record.bytes);
    }
    car.finish()
}

/// Returns the frame of a `#commit`.
pub(crate) fn commit(seq: i64, diff: &CommitDiff, blocks: &[u8], time: &str) -> Vec<u8> {
    CommitEvent {
        seq,
        repo: diff.commit.did.as_str(),
        commit: &diff.cid,
        rev: diff.commit.rev,
        since: diff.since,
        prev_data: diff.prev_data.as_ref(),
        blocks,
        ops: &diff.ops,
        time,
    }
    .encode()
}

/// Returns the frame of a `#sync`, which states the head of the repository and contains only the
/// commit's block.
pub(crate) fn sync(seq: i64, commit: &Commit, cid: &Cid, block: &[u8], time: &str) -> Vec<u8> {
    let mut car = Writer::new(cid);
    car.block(cid, block);
    SyncEvent { seq, did: commit.did.as_str(), rev: commit.rev, blocks: &car.finish(), time }
        .encode()
}

/// Returns the frame of an `#identity`.
pub(crate) fn identity(seq: i64, did: &str, handle: &str, time: &str) -> Vec<u8> {
    IdentityEvent { seq, did, handle: Some(handle), time }.encode()
}

/// Returns the frame of an `#account`. The account is active if there is no `status`.
pub(crate) fn account(seq: i64, did: &str, status: Option<&str>, time: &str) -> Vec<u8> {
    AccountEvent { seq, did, active: status.is_none(), status, time }.encode()
}
