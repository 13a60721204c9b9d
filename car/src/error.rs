//! What can be wrong with a CAR.

use cid::Cid;

/// Why a CAR could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CarError {
    /// A block is larger than [`MAX_BLOCK_BYTES`](crate::MAX_BLOCK_BYTES), or than the limit of
    /// [`Decoder::with_block_limit`](crate::Decoder::with_block_limit).
    #[error("block exceeds the size limit")]
    BlockSize,
    /// A CID is not version 1, SHA-256, and DAG-CBOR or raw.
    #[error("a cid is not of a kind that repositories use")]
    Cid,
    /// A block does not have the hash that its CID says.
    #[error("block {0} has another hash")]
    Hash(Cid),
    /// The header is not the canonical DAG-CBOR of `{roots, version: 1}`.
    #[error("the header is not one of CAR version 1")]
    Header,
    /// The header is larger than [`MAX_HEADER_BYTES`](crate::MAX_HEADER_BYTES).
    #[error("a header has at most 4096 bytes")]
    HeaderSize,
    /// The input has 4 GiB or more, and its blocks are not in the order in which they are asked
    /// for.
    #[error("a car of 4 gib or more is read in its own order only")]
    Size,
    /// The input ends within the header or a block.
    #[error("the input ends too early")]
    Truncated,
    /// A length is not a varint of at most nine bytes in its shortest form.
    #[error("a length is not a varint in its shortest form")]
    Varint,
}
