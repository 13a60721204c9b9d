//! Heads of the repository.

use nacre_commit::{Commit, Head};
use nacre_lexicon::cid_for;

/// Returns the head for a commit, and the commit's block.
pub(crate) fn head_of(commit: &Commit) -> (Head, Vec<u8>) {
    let block = commit.encode();
    let Commit { did, data, rev, .. } = commit;
    (Head { did: did.clone(), cid: cid_for(&block), data: *data, rev: *rev }, block)
}
