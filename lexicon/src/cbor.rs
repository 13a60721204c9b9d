//! DAG-CBOR items: heads, which are a major type and a number in the shortest form, and scalars.
//!
//! <https://ipld.io/specs/codecs/dag-cbor/spec/>

use alloc::vec::Vec;

use crate::{DataError, MAX_INTEGER, json::ScannedText, link::Link, utf8::is_utf8};

pub(crate) const UNSIGNED: u8 = 0;
pub(crate) const NEGATIVE: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const MAP: u8 = 5;
pub(crate) const TAG: u8 = 6;

pub(crate) const FALSE: u8 = 0xf4;
pub(crate) const TRUE: u8 = 0xf5;
pub(crate) const NULL: u8 = 0xf6;

pub(crate) const MAX_HEAD_BYTES: usize = 9;

/// Appends a head.
#[inline(always)]
pub(crate) fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    match u8::try_from(value) {
        Ok(value @ 0..24) => out.push((major << 5) | value),
        Ok(value) => out.extend_from_slice(&[(major << 5) | 24, value]),
        Err(_) => long_head(out, major, value),
    }
}

/// Appends a head of more than two bytes.
fn long_head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    let [.., e, f, g, h] = value.to_be_bytes();
    match value {
        0..0x1_0000 => out.extend_from_slice(&[major | 25, g, h]),
        0x1_0000..0x1_0000_0000 => out.extend_from_slice(&[major | 26, e, f, g, h]),
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Appends the head of an item with a length.
#[inline(always)]
pub(crate) fn head_for_len(out: &mut Vec<u8>, major: u8, len: usize) {
    head(out, major, u64::try_from(len).expect("a length in memory fits into 64 bits"));
}

#[inline(always)]
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    head_for_len(out, TEXT, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Appends text. Copies a fixed number of bytes and truncates, because a copy of a length known at
/// compile time is much faster.
#[inline(always)]
pub(crate) fn scanned_text(out: &mut Vec<u8>, scanned: ScannedText<'_>) {
    let ScannedText { len, ahead } = scanned;
    head_for_len(out, TEXT, len);
    let end = out.len() + len;
    match (ahead.first_chunk::<16>(), ahead.first_chunk::<48>()) {
        (Some(chunk), _) if len <= 16 => out.extend_from_slice(chunk),
        (_, Some(chunk)) if len <= 48 => out.extend_from_slice(chunk),
        _ => out.extend_from_slice(scanned.bytes()),
    }
    out.truncate(end);
}

/// Appends a short text that is known at compile time. The compiler turns head and text into one
/// store.
#[inline(always)]
pub(crate) fn key(out: &mut Vec<u8>, key: &str) {
    let mut item = [0; 24];
    match (u8::try_from(key.len()), item.get_mut(..=key.len())) {
        (Ok(len), Some([head, rest @ ..])) => {
            *head = (TEXT << 5) | len;
            rest.copy_from_slice(key.as_bytes());
            out.extend_from_slice(&item[..=key.len()]);
        }
        _ => text(out, key),
    }
}

#[inline]
pub(crate) fn integer(out: &mut Vec<u8>, value: i64) {
    match u64::try_from(value) {
        Ok(value) => head(out, UNSIGNED, value),
        // CBOR counts negative numbers from -1 downwards.
        Err(_) => head(out, NEGATIVE, value.unsigned_abs() - 1),
    }
}

#[inline]
pub(crate) fn link(out: &mut Vec<u8>, link: &Link) {
    out.extend_from_slice(&link.to_item());
}

/// A strict reader of heads and strings.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
}

/// A head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) major: u8,
    pub(crate) value: u64,
    /// The offset of the head.
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, rest: bytes }
    }

    /// Reads the head of any item except a simple value or a float, which have their own errors.
    #[inline(always)]
    pub(crate) fn head(&mut self) -> Result<Head, DataError> {
        let at = self.at();
        let (&initial, rest) = self.rest.split_first().ok_or(DataError::Truncated)?;
        let (major, info) = (initial >> 5, initial & 31);
        if major < 7 {
            if info < 24 {
                self.rest = rest;
                return Ok(Head { major, value: u64::from(info), at });
            }
            if let (24, Some((value @ 24.., rest))) = (info, rest.split_first()) {
                self.rest = rest;
                return Ok(Head { major, value: u64::from(*value), at });
            }
        }
        // The slow path takes a copy, so that the cursor itself can stay in registers.
        let mut copy = self.clone();
        let head = copy.long_head()?;
        *self = copy;
        Ok(head)
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, len: u64) -> Result<&'a [u8], DataError> {
        let len = usize::try_from(len).map_err(|_| DataError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DataError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Skips these bytes. Returns `None` if others come next.
    #[inline(always)]
    pub(crate) fn take_these<const N: usize>(&mut self, these: &[u8; N]) -> Option<()> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        (taken == these).then_some(())
    }

    #[inline(always)]
    pub(crate) fn text<T: Text<'a>>(&mut self, len: u64) -> Result<T, DataError> {
        let at = self.at();
        T::from_utf8(self.take(len)?).ok_or(DataError::Utf8(at))
    }

    /// Reads a link with its tag.
    #[inline(always)]
    pub(crate) fn link(&mut self) -> Result<Link, DataError> {
        if let Some((item, rest)) = self.rest.split_first_chunk()
            && let Some(link) = Link::parse_item(item)
        {
            self.rest = rest;
            return Ok(link);
        }
        Err(self.clone().link_error())
    }

    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Skips one byte.
    #[inline(always)]
    pub(crate) fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    #[inline(always)]
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the bytes read since `start`.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at()).unwrap_or_default()
    }

    #[cold]
    #[inline(never)]
    fn long_head(&mut self) -> Result<Head, DataError> {
        let at = self.at();
        let initial = self.peek().ok_or(DataError::Truncated)?;
        self.skip();
        let (len, least) = match initial & 31 {
            25..=27 if initial >> 5 == 7 => return Err(DataError::Float),
            _ if initial >> 5 == 7 => return Err(DataError::Simple(at)),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(DataError::Head(at)),
        };
        let value = self.take(len)?.iter().fold(0, |value, &b| (value << 8) | u64::from(b));
        if value < least {
            return Err(DataError::NotMinimal(at));
        }
        Ok(Head { major: initial >> 5, value, at })
    }

    /// Returns why the next item is not a link.
    #[cold]
    fn link_error(&mut self) -> DataError {
        let read = |cursor: &mut Self| {
            let tag = cursor.head()?;
            if tag.value != 42 {
                return Err(DataError::Tag(tag.at));
            }
            let bytes = cursor.head()?;
            if bytes.major == BYTES { cursor.take(bytes.value).map(|_| ()) } else { Ok(()) }
        };
        read(self).err().unwrap_or(DataError::Link)
    }
}

impl Head {
    /// Returns the integer that an unsigned or negative head stands for.
    #[inline]
    pub(crate) fn integer(self) -> Result<i64, DataError> {
        let value = i64::try_from(self.value).map_err(|_| DataError::Integer)?;
        let value = if self.major == NEGATIVE { -1 - value } else { value };
        if (-MAX_INTEGER..=MAX_INTEGER).contains(&value) {
            Ok(value)
        } else {
            Err(DataError::Integer)
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
