//! Errors of data and records.

use alloc::string::String;

use cid::Cid;

/// Why bytes are not one well-formed CBOR item by RFC 8949.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CborError {
    /// A break occurs in place of an item.
    #[error("unexpected CBOR break at byte {0}")]
    Break(usize),
    /// A chunk of a string is not a definite-length string of the same kind.
    #[error("invalid chunk of a CBOR string at byte {0}")]
    Chunk(usize),
    /// Arrays, maps and tags are nested deeper than [`MAX_LOOSE_DEPTH`](crate::MAX_LOOSE_DEPTH).
    #[error("nested too deeply")]
    Depth,
    /// A head is reserved, or has an indefinite length although its major type allows none.
    #[error("reserved CBOR head at byte {0}")]
    Head(usize),
    /// A simple value below 32 has a head of two bytes.
    #[error("malformed CBOR simple value at byte {0}")]
    Simple(usize),
    /// The input is over [`MAX_RECORD_BYTES`](crate::MAX_RECORD_BYTES).
    #[error("data is too large")]
    TooLarge,
    /// Something follows the item.
    #[error("unexpected data after the CBOR item")]
    Trailing,
    /// The input ends inside of the item.
    #[error("CBOR ends too early")]
    Truncated,
}

/// Why bytes or text are not valid in the AT Protocol data model.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// An object with the `$type` of a blob does not have its shape.
    #[error("a blob has exactly $type, ref, mimeType and size")]
    Blob,
    /// A `$bytes` object has another key, or its value is not base64 text.
    #[error("a $bytes object has no other key and holds base64")]
    Bytes,
    /// Objects and arrays are nested deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    #[error("nested too deeply")]
    Depth,
    /// An object has the same key twice.
    #[error("duplicate object key")]
    DuplicateKey,
    /// A number has a fraction, or a CBOR item is a float.
    #[error("numbers must be integers")]
    Float,
    /// A CBOR head uses a reserved or indefinite length.
    #[error("reserved or indefinite CBOR length at byte {0}")]
    Head(usize),
    /// An integer lies outside of ±[`MAX_INTEGER`](crate::MAX_INTEGER).
    #[error("integer out of range")]
    Integer,
    /// An object or array has more than [`MAX_ITEMS`](crate::MAX_ITEMS) members.
    #[error("too many items in one container")]
    Items,
    /// An object key is empty or longer than [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES).
    #[error("object key is empty or too long")]
    KeyLength,
    /// The keys of a CBOR map are not in canonical order.
    #[error("object keys are not in canonical order")]
    KeyOrder,
    /// A key of a CBOR map is not text.
    #[error("object key is not text")]
    KeyType,
    /// A link is not a CIDv1 of raw or DAG-CBOR bytes with a SHA-256 hash, or has other keys.
    #[error("invalid link")]
    Link,
    /// A CBOR head is longer than its value needs.
    #[error("CBOR head at byte {0} is not minimal")]
    NotMinimal(usize),
    /// The outermost value is not an object.
    #[error("the outermost value is not an object")]
    NotObject,
    /// A CBOR map has the key `$link` or `$bytes`, which only JSON uses.
    #[error("$link and $bytes are not object keys")]
    ReservedKey,
    /// A CBOR simple value is neither true, false nor null.
    #[error("unknown CBOR simple value at byte {0}")]
    Simple(usize),
    /// A `\u` escape is half of a surrogate pair.
    #[error("lone surrogate at byte {0}")]
    Surrogate(usize),
    /// The JSON text is malformed here.
    #[error("malformed JSON at byte {0}")]
    Syntax(usize),
    /// A CBOR tag is not 42.
    #[error("unknown CBOR tag at byte {0}")]
    Tag(usize),
    /// The input, or the DAG-CBOR made of it, is over the size limit.
    #[error("data is too large")]
    TooLarge,
    /// Something follows the outermost value.
    #[error("unexpected data after the outermost value")]
    Trailing,
    /// The CBOR ends inside of a value.
    #[error("CBOR ends too early")]
    Truncated,
    /// A `$type` is not text, or is empty.
    #[error("$type must be non-empty text")]
    Type,
    /// CBOR text is not UTF-8.
    #[error("text at byte {0} is not UTF-8")]
    Utf8(usize),
}

/// Why [`write_object`](crate::write_object) failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A rule of the data model is broken.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A container received more keys or items than announced.
    #[error("more keys or items than announced")]
    Excess,
    /// A container received fewer keys or items than announced, or a key received no value.
    #[error("fewer keys, items or values than announced")]
    Incomplete,
}

/// Why JSON is not a valid record of its collection.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The record is not valid data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The record contains a legacy blob reference, which is read but no longer written.
    #[error("Legacy blobs are not allowed ({0})")]
    LegacyBlob(Cid),
    /// The record is over [`MAX_RECORD_BYTES`](crate::MAX_RECORD_BYTES).
    #[error("record is too large: {0} bytes")]
    TooLarge(usize),
    /// The record's `$type` is not its collection.
    #[error("Invalid $type: expected {expected}, got {got}")]
    Type {
        /// The collection that the record was written to.
        expected: String,
        /// The record's `$type`, truncated to 512 characters.
        got: String,
    },
}
