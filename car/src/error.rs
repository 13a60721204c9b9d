//! Errors of reading a CAR.

use cid::Cid;

/// Why a CAR cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CarError {
    /// A block is larger than [`MAX_BLOCK_BYTES`](crate::MAX_BLOCK_BYTES), or than the limit of
    /// [`Decoder::with_block_limit`](crate::Decoder::with_block_limit).
    #[error("block exceeds the size limit")]
    BlockSize,
    /// A CID is not version 1, SHA-256, and DAG-CBOR or raw.
    #[error("a CID is not version 1, SHA-256, and DAG-CBOR or raw")]
    Cid,
    /// A block does not match its CID.
    #[error("block {0} does not match its CID")]
    Hash(Cid),
    /// The header is not the canonical DAG-CBOR of `{roots, version: 1}`.
    #[error("not a valid CAR v1 header")]
    Header,
    /// The header is larger than [`MAX_HEADER_BYTES`](crate::MAX_HEADER_BYTES).
    #[error("the header exceeds 4096 bytes")]
    HeaderSize,
    /// The input has 4 GiB or more, and a block was looked up out of the order of the file.
    #[error("a CAR of 4 GiB or more must be read in its own order")]
    Size,
    /// The input ends within the header or a block.
    #[error("the CAR ends too early")]
    Truncated,
    /// A length is not a varint of at most nine bytes in its shortest form.
    #[error("a length is not a varint in its shortest form")]
    Varint,
}
