//! A strict reader of DAG-CBOR that borrows from its input.
//!
//! Unknown fields are skipped. Their heads must be minimal and definite, but their contents are not
//! checked.

use cid::Cid;
use nacre_syntax::{Datetime, Did, Handle, Tid};

use crate::{
    FrameError,
    write::{ARRAY, BYTES, FALSE, LINK_TAG, MAP, NEGATIVE, NULL, TAG, TEXT, TRUE, UNSIGNED},
};

/// A cursor over a frame.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// An object that is being read.
pub(crate) struct Map<'a> {
    left: u64,
    /// The last key.
    key: Option<&'a str>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(crate) fn map(&mut self) -> Result<Map<'a>, FrameError> {
        Ok(Map { left: self.head_of(MAP)?, key: None })
    }

    /// Returns the next key of an object, or `None` at its end.
    pub(crate) fn key(&mut self, map: &mut Map<'a>) -> Result<Option<&'a str>, FrameError> {
        if map.left == 0 {
            return Ok(None);
        }
        map.left -= 1;
        let at = self.at;
        let key = self.text()?;
        if map.key.is_some_and(|before| (key.len(), key) <= (before.len(), before)) {
            return Err(FrameError::KeyOrder(at));
        }
        map.key = Some(key);
        Ok(Some(key))
    }

    /// Reads the head of an array and returns how many items it has.
    pub(crate) fn array(&mut self) -> Result<u64, FrameError> {
        self.head_of(ARRAY)
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, FrameError> {
        match self.bytes.get(self.at) {
            Some(&byte @ (FALSE | TRUE)) => {
                self.at += 1;
                Ok(byte == TRUE)
            }
            Some(_) => Err(FrameError::Cbor(self.at)),
            None => Err(FrameError::Truncated),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], FrameError> {
        let len = self.head_of(BYTES)?;
        self.take(len)
    }

    pub(crate) fn integer(&mut self) -> Result<i64, FrameError> {
        let at = self.at;
        let (major, value) = self.head()?;
        let value = i64::try_from(value).map_err(|_| FrameError::Cbor(at))?;
        match major {
            UNSIGNED => Ok(value),
            NEGATIVE => Ok(-1 - value),
            _ => Err(FrameError::Cbor(at)),
        }
    }

    /// Reads a link.
    pub(crate) fn link(&mut self) -> Result<Cid, FrameError> {
        let at = self.at;
        if self.head_of(TAG)? != u64::from(LINK_TAG[1]) {
            return Err(FrameError::Cbor(at));
        }
        match self.bytes()? {
            [0, cid @ ..] if is_allowed(cid) => {
                Cid::try_from(cid).map_err(|_| FrameError::Cbor(at))
            }
            _ => Err(FrameError::Cbor(at)),
        }
    }

    pub(crate) fn nullable_link(&mut self) -> Result<Option<Cid>, FrameError> {
        if self.null() { Ok(None) } else { self.link().map(Some) }
    }

    /// Skips a null. Returns `false` if another value comes next.
    pub(crate) fn null(&mut self) -> bool {
        let found = self.bytes.get(self.at) == Some(&NULL);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, FrameError> {
        let at = self.at;
        let len = self.head_of(TEXT)?;
        core::str::from_utf8(self.take(len)?).map_err(|_| FrameError::Cbor(at))
    }

    pub(crate) fn datetime(&mut self, field: &'static str) -> Result<&'a str, FrameError> {
        let text = self.text()?;
        Datetime::parse(text).map(|_| text).map_err(|_| FrameError::Field(field))
    }

    pub(crate) fn did(&mut self, field: &'static str) -> Result<&'a str, FrameError> {
        let text = self.text()?;
        Did::parse(text).map(|_| text).map_err(|_| FrameError::Field(field))
    }

    pub(crate) fn handle(&mut self, field: &'static str) -> Result<&'a str, FrameError> {
        let text = self.text()?;
        Handle::parse(text).map(|_| text).map_err(|_| FrameError::Field(field))
    }

    pub(crate) fn tid(&mut self, field: &'static str) -> Result<Tid, FrameError> {
        Tid::parse(self.text()?).map_err(|_| FrameError::Field(field))
    }

    /// Skips one value.
    pub(crate) fn skip(&mut self) -> Result<(), FrameError> {
        // Each remaining value has at least one byte, which bounds the count.
        let mut values = 1_u64;
        while values > 0 {
            values -= 1;
            if matches!(self.bytes.get(self.at), Some(&(FALSE | TRUE | NULL))) {
                self.at += 1;
                continue;
            }
            let (major, value) = self.head()?;
            let inner = match major {
                BYTES | TEXT => {
                    self.take(value)?;
                    0
                }
                ARRAY => value,
                MAP => value.saturating_mul(2),
                TAG => 1,
                _ => 0,
            };
            values = values.saturating_add(inner);
            if usize::try_from(values).map_or(true, |values| values > self.bytes.len() - self.at) {
                return Err(FrameError::Truncated);
            }
        }
        Ok(())
    }

    fn head_of(&mut self, expected: u8) -> Result<u64, FrameError> {
        let at = self.at;
        match self.head()? {
            (major, value) if major == expected => Ok(value),
            _ => Err(FrameError::Cbor(at)),
        }
    }

    /// Reads the head of any value except a simple one.
    fn head(&mut self) -> Result<(u8, u64), FrameError> {
        let at = self.at;
        let initial = *self.bytes.get(at).ok_or(FrameError::Truncated)?;
        self.at += 1;
        let (major, info) = (initial >> 5, initial & 31);
        let (len, least) = match info {
            _ if major > TAG => return Err(FrameError::Cbor(at)),
            0..24 => return Ok((major, u64::from(info))),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(FrameError::Cbor(at)),
        };
        let value = self.take(len)?.iter().fold(0, |value, &byte| (value << 8) | u64::from(byte));
        if value < least { Err(FrameError::Cbor(at)) } else { Ok((major, value)) }
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], FrameError> {
        let len = usize::try_from(len).map_err(|_| FrameError::Truncated)?;
        let end = self.at.checked_add(len).ok_or(FrameError::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(FrameError::Truncated)?;
        self.at = end;
        Ok(taken)
    }
}

/// Returns whether these bytes are a CIDv1 of raw or DAG-CBOR bytes with a SHA-256 hash.
fn is_allowed(cid: &[u8]) -> bool {
    matches!(cid, [1, 0x55 | 0x71, 0x12, 32, digest @ ..] if digest.len() == 32)
}
