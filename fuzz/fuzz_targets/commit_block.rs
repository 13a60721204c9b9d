//! A block that is read as a commit is the one encoding of what was read.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use nacre_commit::Commit;
use support::{assert_canonical, cid_of};

fuzz_target!(|bytes: &[u8]| {
    let Ok(commit) = Commit::decode(bytes) else { return };
    assert_eq!(commit.encode(), bytes);
    assert_eq!(commit.cid(), cid_of(bytes));
    assert_canonical(bytes);
});
