//! Errors of reading.

/// Why the next item cannot be read. The numbers are offsets in the input.
///
/// The enum is exhaustive, so that a crate which translates it must translate every rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// Arrays, maps and tags are nested deeper than the caller allows.
    #[error("nested too deeply at byte {0}")]
    Depth(usize),
    /// A map has this key twice.
    #[error("duplicate key at byte {0}")]
    DuplicateKey(usize),
    /// The item is a float.
    #[error("unexpected float at byte {0}")]
    Float(usize),
    /// A head is reserved, or has an indefinite length.
    #[error("reserved or indefinite length at byte {0}")]
    Head(usize),
    /// An integer does not fit into 64 bits with a sign.
    #[error("integer out of range at byte {0}")]
    Integer(usize),
    /// A key of a map is not in canonical order.
    #[error("key out of order at byte {0}")]
    KeyOrder(usize),
    /// The content of a link is not the CID of a permitted kind.
    #[error("invalid link at byte {0}")]
    Link(usize),
    /// A head is longer than its argument needs.
    #[error("head at byte {0} is not minimal")]
    NotMinimal(usize),
    /// The item is a simple value, but not the one that was asked for.
    #[error("unexpected simple value at byte {0}")]
    Simple(usize),
    /// The item has a tag other than that of a link.
    #[error("unexpected tag at byte {0}")]
    Tag(usize),
    /// The input ends within the item.
    #[error("CBOR ends too early")]
    Truncated,
    /// The item has another major type than was asked for.
    #[error("unexpected type at byte {0}")]
    Type(usize),
    /// Text is not UTF-8.
    #[error("text at byte {0} is not UTF-8")]
    Utf8(usize),
}
