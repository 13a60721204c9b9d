//! What can be wrong with a frame.

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A value is not the DAG-CBOR that is expected at this byte.
    #[error("unexpected or malformed DAG-CBOR at byte {0}")]
    Cbor(usize),
    /// This field holds something that it may not hold.
    #[error("invalid {0}")]
    Field(&'static str),
    /// The keys of an object are not in canonical order, or are not unique.
    #[error("keys out of order at byte {0}")]
    KeyOrder(usize),
    /// This field is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The header's `op` is neither 1 nor -1.
    #[error("unknown op in the header")]
    Op,
    /// The frame is over [`MAX_FRAME_BYTES`](crate::MAX_FRAME_BYTES).
    #[error("frame is too large")]
    TooLarge,
    /// The commit has more than [`MAX_OPS`](crate::MAX_OPS) operations.
    #[error("too many operations")]
    TooManyOps,
    /// Something follows the body.
    #[error("unexpected data after the body")]
    Trailing,
    /// The frame ends inside of a value.
    #[error("frame ends too early")]
    Truncated,
}
