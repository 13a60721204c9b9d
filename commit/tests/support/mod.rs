//! What the tests share.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::LazyLock;

use cid::Cid;
use cid::multihash::Multihash;
use nacre_commit::{CommitDiff, Head};
use nacre_crypto::{Curve, SigningKey};
use nacre_mst::key_height;
use nacre_syntax::{Did, RepoPath, Tid};
use sha2::{Digest, Sha256};

pub type Blocks = BTreeMap<Cid, Vec<u8>>;
pub type Entries = BTreeMap<String, Cid>;

/// Some paths of each height up to 6, so that trees of a few records are high and full of gaps.
pub static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut by_height = [const { Vec::new() }; 7];
    for number in 0..20_000_u32 {
        let path = format!("org.example.c{}/{:08x}", number % 3, number.wrapping_mul(0x9e37_79b1));
        let height = usize::try_from(key_height(path.as_bytes())).unwrap().min(6);
        if by_height[height].len() < 14 {
            by_height[height].push(path);
        }
    }
    by_height.concat()
});

pub static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_bytes(Curve::K256, &[7; 32]).unwrap());

pub fn did() -> Did {
    Did::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz".to_owned()).unwrap()
}

pub fn rev(number: u64) -> Tid {
    Tid::from_micros(1_700_000_000_000_000 + number, 0)
}

pub fn path(text: &str) -> RepoPath<&str> {
    RepoPath::parse(text).unwrap()
}

pub fn cid_of(block: &[u8]) -> Cid {
    Cid::new_v1(0x71, Multihash::wrap(0x12, &Sha256::digest(block)).unwrap())
}

/// Returns a record: its block is this byte.
pub fn record(number: u8) -> Cid {
    cid_of(&[number])
}

pub fn head(diff: &CommitDiff) -> Head {
    Head {
        did: diff.commit.did.clone(),
        cid: diff.cid,
        data: diff.commit.data,
        rev: diff.commit.rev,
    }
}

/// Returns the root of the tree that has these entries, and its blocks.
pub fn tree(entries: &Entries) -> (Cid, Blocks) {
    let mut blocks = Blocks::new();
    let root = nacre_mst::build(entries.clone(), |cid, block| {
        blocks.insert(cid, block.to_vec());
        Ok::<_, Infallible>(())
    });
    (root.unwrap().root(), blocks)
}

/// Returns the new nodes of a commit.
pub fn new_nodes(diff: &CommitDiff) -> Blocks {
    diff.new_nodes().map(|(cid, bytes)| (cid, bytes.to_vec())).collect()
}

/// Returns all that a subscriber has to undo a commit with.
pub fn proof(diff: &CommitDiff) -> Blocks {
    new_nodes(diff).into_iter().chain(diff.proof.iter().cloned()).collect()
}
