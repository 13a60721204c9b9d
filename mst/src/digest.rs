//! SHA-256 digests, which this crate uses in place of CIDs.

use core::fmt;
use core::hash::{Hash, Hasher};

use cid::Cid;
use cid::multihash::Multihash;

/// The SHA-256 of a DAG-CBOR block: a CID without its four constant bytes.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl Digest {
    /// Returns the digest of a block.
    pub(crate) fn of(block: &[u8]) -> Self {
        Self(nacre_sha256::digest(block))
    }

    /// Returns the digest in a CIDv1 of DAG-CBOR and SHA-256, or `None` for any other CID.
    pub(crate) fn from_cid(cid: &Cid) -> Option<Self> {
        let hash = cid.hash();
        if cid.version() != cid::Version::V1 || cid.codec() != DAG_CBOR || hash.code() != SHA_256 {
            return None;
        }
        hash.digest().try_into().ok().map(Self)
    }

    /// The root of the empty tree: the hash of [`EMPTY_NODE`].
    pub(crate) const EMPTY: Self = Self([
        0x9d, 0xfe, 0xfe, 0x61, 0xdd, 0x76, 0xea, 0x3d, 0xca, 0xe5, 0x02, 0x38, 0x80, 0xb0, 0x83,
        0x79, 0xd5, 0x7a, 0xdf, 0x20, 0x48, 0x2d, 0x6f, 0xdb, 0xe2, 0x75, 0x92, 0x89, 0xf6, 0x47,
        0x67, 0x7b,
    ]);

    pub(crate) fn to_cid(self) -> Cid {
        let hash = Multihash::wrap(SHA_256, &self.0).expect("a multihash holds up to 64 bytes");
        Cid::new_v1(DAG_CBOR, hash)
    }
}

impl Hash for Digest {
    /// Uses the first eight bytes. Finding a digest with a given start takes about 2^64 hashes.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [first, ..] = self.0.as_chunks().0 else { return };
        state.write_u64(u64::from_le_bytes(*first));
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_cid(), f)
    }
}

/// The block of the empty tree.
pub const EMPTY_NODE: [u8; 7] = [0xa2, 0x61, b'e', 0x80, 0x61, b'l', 0xf6];

const DAG_CBOR: u64 = 0x71;
const SHA_256: u64 = 0x12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_round_trips_through_a_cid() {
        let digest = Digest::of(b"block");
        assert_eq!(Digest::from_cid(&digest.to_cid()), Some(digest));
    }

    #[test]
    fn root_of_the_empty_tree_is_the_hash_of_its_block() {
        assert_eq!(Digest::of(&EMPTY_NODE), Digest::EMPTY);
    }

    #[test]
    fn other_kinds_of_cid_have_no_digest() {
        let hash = *Digest::of(b"block").to_cid().hash();
        let raw = Cid::new_v1(0x55, hash);
        let short = Cid::new_v1(DAG_CBOR, Multihash::wrap(SHA_256, &[0; 31]).unwrap());
        let sha3 = Cid::new_v1(DAG_CBOR, Multihash::wrap(0x16, &[0; 32]).unwrap());
        for cid in [raw, short, sha3, Cid::new_v0(hash).unwrap()] {
            assert_eq!(Digest::from_cid(&cid), None, "{cid}");
        }
    }
}
