//! The heads of DAG-CBOR items: a major type and a number, in the shortest form.
//!
//! <https://ipld.io/specs/codecs/dag-cbor/spec/>

use alloc::vec::Vec;

use crate::{DataError, MAX_INTEGER, link::Link};

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

/// Tag 42, a byte string of 37 bytes, and the multibase prefix that opens it.
pub(crate) const LINK_PREFIX: [u8; 5] = [0xd8, 42, 0x58, 37, 0];

/// Appends a head.
pub(crate) fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    let [.., e, f, g, h] = value.to_be_bytes();
    match value {
        0..24 => out.push(major | h),
        24..0x100 => out.extend_from_slice(&[major | 24, h]),
        0x100..0x1_0000 => out.extend_from_slice(&[major | 25, g, h]),
        0x1_0000..0x1_0000_0000 => out.extend_from_slice(&[major | 26, e, f, g, h]),
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Appends the head of something that has a length in memory.
pub(crate) fn head_for_len(out: &mut Vec<u8>, major: u8, len: usize) {
    head(out, major, u64::try_from(len).expect("a length in memory fits into 64 bits"));
}

pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    head_for_len(out, TEXT, text.len());
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn integer(out: &mut Vec<u8>, value: i64) {
    match u64::try_from(value) {
        Ok(value) => head(out, UNSIGNED, value),
        // CBOR counts negative numbers from -1 downwards.
        Err(_) => head(out, NEGATIVE, value.unsigned_abs() - 1),
    }
}

pub(crate) fn link(out: &mut Vec<u8>, link: &Link) {
    out.extend_from_slice(&LINK_PREFIX);
    out.extend_from_slice(link.as_bytes());
}

/// Reads heads and strings, strictly.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A head that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) major: u8,
    pub(crate) value: u64,
    /// Where the head begins.
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads the head of any item except a simple value or a float, which have their own errors.
    #[inline]
    pub(crate) fn head(&mut self) -> Result<Head, DataError> {
        let at = self.at;
        let initial = self.byte()?;
        let (major, info) = (initial >> 5, initial & 31);
        if info < 24 && major < 7 {
            return Ok(Head { major, value: u64::from(info), at });
        }
        self.long_head(major, info, at)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, DataError> {
        let byte = *self.bytes.get(self.at).ok_or(DataError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn take(&mut self, len: u64) -> Result<&'a [u8], DataError> {
        let len = usize::try_from(len).map_err(|_| DataError::Truncated)?;
        let end = self.at.checked_add(len).ok_or(DataError::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(DataError::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn text(&mut self, len: u64) -> Result<&'a str, DataError> {
        let at = self.at;
        core::str::from_utf8(self.take(len)?).map_err(|_| DataError::Utf8(at))
    }

    /// Reads a link after its tag.
    pub(crate) fn link(&mut self, tag: Head) -> Result<Link, DataError> {
        if tag.value != 42 {
            return Err(DataError::Tag(tag.at));
        }
        let head = self.head()?;
        if head.major != BYTES {
            return Err(DataError::Link);
        }
        match self.take(head.value)? {
            [0, cid @ ..] => Link::parse(cid).ok_or(DataError::Link),
            _ => Err(DataError::Link),
        }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Returns what was read since `start`.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    fn long_head(&mut self, major: u8, info: u8, at: usize) -> Result<Head, DataError> {
        if major == 7 {
            return Err(if (25..28).contains(&info) {
                DataError::Float
            } else {
                DataError::Simple(at)
            });
        }
        let (len, least) = match info {
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
        Ok(Head { major, value, at })
    }
}

impl Head {
    /// Returns the integer that an unsigned or negative head stands for.
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
