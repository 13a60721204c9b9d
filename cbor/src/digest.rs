//! SHA-256 digests of DAG-CBOR blocks.

use core::fmt;
use core::hash::{Hash, Hasher};

use cid::Cid;

use crate::link::{DAG_CBOR, cid_of, split_cid};

/// The SHA-256 of a DAG-CBOR block: a CID without its four constant bytes.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Returns the digest in a CIDv1 of DAG-CBOR and SHA-256, or `None` for any other CID.
    #[inline]
    #[must_use]
    pub fn from_cid(cid: &Cid) -> Option<Self> {
        match split_cid(cid)? {
            ([_, DAG_CBOR, ..], digest) => Some(Self(*digest)),
            _ => None,
        }
    }

    /// Returns the CID of the block.
    #[inline]
    #[must_use]
    pub fn to_cid(self) -> Cid {
        cid_of(DAG_CBOR, &self.0)
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
