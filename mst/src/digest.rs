//! Digests of nodes, which this crate uses in place of CIDs.

use cid::Cid;
use nacre_cbor::Digest;

use crate::error::LinkError;

/// Returns the digest of a block.
pub(crate) fn digest_of(block: &[u8]) -> Digest {
    Digest(nacre_sha256::digest(block))
}

/// Returns the digest of the block that a tree links to by this CID.
pub(crate) fn link_to(cid: Cid) -> Result<Digest, LinkError> {
    Digest::from_cid(&cid).ok_or(LinkError(cid))
}

/// The block of the empty tree.
pub const EMPTY_NODE: [u8; 7] = [0xa2, 0x61, b'e', 0x80, 0x61, b'l', 0xf6];

/// The root of the empty tree: the digest of [`EMPTY_NODE`].
pub(crate) const EMPTY_ROOT: Digest = Digest([
    0x9d, 0xfe, 0xfe, 0x61, 0xdd, 0x76, 0xea, 0x3d, 0xca, 0xe5, 0x02, 0x38, 0x80, 0xb0, 0x83, 0x79,
    0xd5, 0x7a, 0xdf, 0x20, 0x48, 0x2d, 0x6f, 0xdb, 0xe2, 0x75, 0x92, 0x89, 0xf6, 0x47, 0x67, 0x7b,
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_of_the_empty_tree_is_the_hash_of_its_block() {
        assert_eq!(digest_of(&EMPTY_NODE), EMPTY_ROOT);
    }
}
