//! Digests of tree nodes, and a map that is keyed by them.

use core::hash::{BuildHasherDefault, Hash, Hasher};
use std::collections::HashMap;

use cid::Cid;
use cid::multihash::Multihash;

/// The SHA-256 digest of a node: the part of its CID that differs from node to node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Digest(pub(super) [u8; 32]);

/// A map keyed by digests. A digest is uniform already, so its first bytes are its hash.
pub(super) type DigestMap<T> = HashMap<Digest, T, BuildHasherDefault<FirstBytes>>;

/// Hashes a digest to its first eight bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FirstBytes(u64);

impl Digest {
    /// Returns the digest of a CID, or `None` if it does not have 32 bytes.
    pub(super) fn of(cid: &Cid) -> Option<Self> {
        cid.hash().digest().try_into().ok().map(Self)
    }

    /// Returns the CID of the node.
    pub(super) fn to_cid(self) -> Cid {
        let hash = Multihash::wrap(SHA_256, &self.0).expect("a multihash holds up to 64 bytes");
        Cid::new_v1(DAG_CBOR, hash)
    }
}

impl Hash for Digest {
    /// Hashes the first bytes only. Finding many nodes whose digests share them is infeasible.
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(first) = self.0.first_chunk() {
            state.write_u64(u64::from_le_bytes(*first));
        }
    }
}

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

const DAG_CBOR: u64 = 0x71;
const SHA_256: u64 = 0x12;
