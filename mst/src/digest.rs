//! The SHA-256 digests that stand for CIDs inside this crate.

use core::fmt;

use cid::Cid;
use cid::multihash::Multihash;
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a DAG-CBOR block: a CID without the four bytes that are always the same.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl Digest {
    /// Returns the digest of a block.
    pub(crate) fn of(block: &[u8]) -> Self {
        Self(Sha256::digest(block).into())
    }

    /// Returns the digest in a CIDv1 of DAG-CBOR and SHA-256, or `None` for any other CID.
    pub(crate) fn from_cid(cid: &Cid) -> Option<Self> {
        let hash = cid.hash();
        if cid.version() != cid::Version::V1 || cid.codec() != DAG_CBOR || hash.code() != SHA_256 {
            return None;
        }
        hash.digest().try_into().ok().map(Self)
    }

    pub(crate) fn to_cid(self) -> Cid {
        let hash = Multihash::wrap(SHA_256, &self.0).expect("a multihash holds up to 64 bytes");
        Cid::new_v1(DAG_CBOR, hash)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_cid(), f)
    }
}

const DAG_CBOR: u64 = 0x71;
const SHA_256: u64 = 0x12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_the_way_through_a_cid() {
        let digest = Digest::of(b"block");
        assert_eq!(Digest::from_cid(&digest.to_cid()), Some(digest));
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
