//! Errors of decoding a frame.

/// Why bytes are not a valid frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The value at this byte is malformed or has the wrong type.
    #[error("unexpected or malformed DAG-CBOR at byte {0}")]
    Cbor(usize),
    /// A field that is skipped is nested deeper than
    /// [`MAX_SKIPPED_DEPTH`](crate::MAX_SKIPPED_DEPTH).
    #[error("nested too deeply")]
    Depth,
    /// This field has an invalid value.
    #[error("invalid {0}")]
    Field(&'static str),
    /// The keys of an object are not in canonical order, or are not unique.
    #[error("keys out of order at byte {0}")]
    KeyOrder(usize),
    /// This field is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The header's `op` is neither 1 nor -1.
    #[error("unknown op in the header")]
    Op,
    /// The frame exceeds [`MAX_FRAME_BYTES`](crate::MAX_FRAME_BYTES).
    #[error("frame is too large")]
    TooLarge,
    /// The commit has more than [`MAX_OPS`](crate::MAX_OPS) operations.
    #[error("too many operations")]
    TooManyOps,
    /// Something follows the body.
    #[error("unexpected data after the body")]
    Trailing,
    /// The frame ends within a value.
    #[error("frame ends too early")]
    Truncated,
}
