//! A block that is read as a commit, with a `rev` or without, is the one encoding of what was read.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use nacre_commit::{Commit, LegacyCommit};
use support::{assert_canonical, cid_of};

fuzz_target!(|bytes: &[u8]| {
    let (block, cid) = match (Commit::decode(bytes), LegacyCommit::decode(bytes)) {
        (Ok(commit), Err(_)) => (commit.encode(), commit.cid()),
        (Err(_), Ok(commit)) => (commit.encode(), commit.cid()),
        (Err(_), Err(_)) => return,
        (Ok(_), Ok(_)) => panic!("a block has a rev or has none"),
    };
    assert_eq!(block, bytes);
    assert_eq!(cid, cid_of(bytes));
    assert_canonical(bytes);
});
