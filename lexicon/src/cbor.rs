//! What the data model adds to CBOR: its range of integers, its errors, and text that is not used
//! as `&str`.
//!
//! <https://atproto.com/specs/data-model#dag-cbor>

use alloc::vec::Vec;

use nacre_cbor::{Head, Major, ReadError, Reader, write_len};

use crate::{DataError, MAX_INTEGER, json::ScannedText, utf8::is_utf8};

/// Reads `len` bytes of text.
#[inline(always)]
pub(crate) fn text<'a, T: Text<'a>>(reader: &mut Reader<'a>, len: u64) -> Result<T, DataError> {
    let at = reader.offset();
    T::from_utf8(reader.take(len)?).ok_or(DataError::Utf8(at))
}

/// Returns the integer that an unsigned or negative head stands for.
#[inline]
pub(crate) fn integer(head: Head) -> Result<i64, DataError> {
    let value = head.integer()?;
    if (-MAX_INTEGER..=MAX_INTEGER).contains(&value) { Ok(value) } else { Err(DataError::Integer) }
}

/// Appends text. Copies a fixed number of bytes and truncates, because a copy of a length known at
/// compile time is much faster.
#[inline(always)]
pub(crate) fn scanned_text(out: &mut Vec<u8>, scanned: ScannedText<'_>) {
    let ScannedText { len, ahead } = scanned;
    write_len(out, Major::Text, len);
    let end = out.len() + len;
    match (ahead.first_chunk::<16>(), ahead.first_chunk::<48>()) {
        (Some(chunk), _) if len <= 16 => out.extend_from_slice(chunk),
        (_, Some(chunk)) if len <= 48 => out.extend_from_slice(chunk),
        _ => out.extend_from_slice(scanned.bytes()),
    }
    out.truncate(end);
}

impl From<ReadError> for DataError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Depth(_) => Self::Depth,
            ReadError::DuplicateKey(_) => Self::DuplicateKey,
            ReadError::Float(_) => Self::Float,
            ReadError::Integer(_) => Self::Integer,
            ReadError::KeyOrder(_) => Self::KeyOrder,
            ReadError::Link(_) => Self::Link,
            ReadError::NotMinimal(at) => Self::NotMinimal(at),
            ReadError::Simple(at) => Self::Simple(at),
            ReadError::Tag(at) => Self::Tag(at),
            ReadError::Truncated => Self::Truncated,
            ReadError::Utf8(at) => Self::Utf8(at),
            // The readers of this crate look at the type before they read an item.
            ReadError::Head(at) | ReadError::Type(at) => Self::Head(at),
        }
    }
}

/// Text as `&str` for readers that use it, or as bytes for readers that only check it.
pub(crate) trait Text<'a>: Copy {
    fn as_bytes(self) -> &'a [u8];

    /// Returns the text, or `None` if the bytes are not UTF-8.
    fn from_utf8(bytes: &'a [u8]) -> Option<Self>;
}

impl<'a> Text<'a> for &'a str {
    #[inline]
    fn as_bytes(self) -> &'a [u8] {
        self.as_bytes()
    }

    #[inline]
    fn from_utf8(bytes: &'a [u8]) -> Option<Self> {
        core::str::from_utf8(bytes).ok()
    }
}

impl<'a> Text<'a> for &'a [u8] {
    #[inline]
    fn as_bytes(self) -> &'a [u8] {
        self
    }

    #[inline(always)]
    fn from_utf8(bytes: &'a [u8]) -> Option<Self> {
        is_utf8(bytes).then_some(bytes)
    }
}
