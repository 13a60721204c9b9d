//! A reader of canonical CBOR that borrows from its input.
//!
//! # Tricky bits
//!
//! Every item begins with a call of [`Reader::head`], mostly for a head of one or two bytes. These
//! are inlined into the caller. Longer heads and all errors are out of line, on a copy of the
//! reader, so that the reader itself can stay in registers.

use crate::{AnyHead, FALSE, Head, Major, NULL, ReadError, TRUE};

/// A position in CBOR, from which items are pulled.
///
/// Heads must have their shortest form and a definite length. Copying a reader is cheap: read ahead
/// with a copy.
///
/// After an error the position is that of the item, or inside of it.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Returns a reader at the start of the input.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, rest: bytes }
    }

    /// Returns the number of bytes read.
    #[inline(always)]
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    /// Returns the bytes that are not read yet.
    #[inline(always)]
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the bytes read since the offset `start`, or none if it is ahead.
    #[inline(always)]
    #[must_use]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.offset()).unwrap_or_default()
    }

    /// Returns whether all bytes are read.
    #[inline(always)]
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the next byte without reading it.
    #[inline(always)]
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Skips one byte, if there is one.
    #[inline(always)]
    pub fn skip_byte(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// Skips these bytes if they come next. Returns whether they did.
    #[inline(always)]
    pub fn eat<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        match self.rest.split_first_chunk() {
            Some((found, rest)) if found == bytes => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads this many bytes, as they are.
    ///
    /// # Errors
    ///
    /// [`ReadError::Truncated`] if there are fewer.
    #[inline(always)]
    pub fn take(&mut self, len: u64) -> Result<&'a [u8], ReadError> {
        let len = usize::try_from(len).map_err(|_| ReadError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(ReadError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Reads the head of an item of any type except [`Major::Simple`].
    ///
    /// # Errors
    ///
    /// [`ReadError::Truncated`], [`ReadError::Head`] or [`ReadError::NotMinimal`], and for other
    /// items [`ReadError::Float`] or [`ReadError::Simple`].
    #[inline(always)]
    pub fn head(&mut self) -> Result<Head, ReadError> {
        let at = self.offset();
        let (&initial, rest) = self.rest.split_first().ok_or(ReadError::Truncated)?;
        let (major, info) = (Major::of(initial), initial & 31);
        if major != Major::Simple {
            if info < 24 {
                self.rest = rest;
                return Ok(Head { major, argument: u64::from(info), at });
            }
            if let (24, Some((argument @ 24.., rest))) = (info, rest.split_first()) {
                self.rest = rest;
                return Ok(Head { major, argument: u64::from(*argument), at });
            }
        }
        let mut copy = *self;
        let head = copy.long_head()?;
        *self = copy;
        Ok(head)
    }

    /// Reads the head of an item of this type and returns its argument.
    ///
    /// # Errors
    ///
    /// Those of [`Self::head`], and [`ReadError::Type`] for an item of another type.
    #[inline(always)]
    pub fn head_of(&mut self, major: Major) -> Result<u64, ReadError> {
        let bits = major.bits();
        let (argument, rest) = match *self.rest {
            [initial, ref rest @ ..] if (initial ^ bits) < 24 => (initial ^ bits, rest),
            [initial, argument @ 24..=255, ref rest @ ..] if initial ^ bits == 24 => {
                (argument, rest)
            }
            _ => {
                let mut copy = *self;
                let argument = copy.long_head_of(major)?;
                *self = copy;
                return Ok(argument);
            }
        };
        self.rest = rest;
        Ok(u64::from(argument))
    }

    /// Reads the head of an item in any form: not the shortest, of indefinite length, a simple
    /// value or a float. With this, an application reads CBOR that is not canonical.
    ///
    /// # Errors
    ///
    /// [`ReadError::Truncated`]. [`ReadError::Head`] if the length is reserved, or indefinite for a
    /// type that allows none. [`ReadError::Simple`] if a simple value below 32 has two bytes.
    #[inline]
    pub fn any_head(&mut self) -> Result<AnyHead, ReadError> {
        let at = self.offset();
        let mut ahead = *self;
        let [initial] = *ahead.take_array()?;
        let (major, info) = (Major::of(initial), initial & 31);
        let argument = match info {
            0..24 => Some(u64::from(info)),
            24 => match u8::from_be_bytes(*ahead.take_array()?) {
                0..32 if major == Major::Simple => return Err(ReadError::Simple(at)),
                argument => Some(u64::from(argument)),
            },
            25 => Some(u64::from(u16::from_be_bytes(*ahead.take_array()?))),
            26 => Some(u64::from(u32::from_be_bytes(*ahead.take_array()?))),
            27 => Some(u64::from_be_bytes(*ahead.take_array()?)),
            31 if !matches!(major, Major::Unsigned | Major::Negative | Major::Tag) => None,
            _ => return Err(ReadError::Head(at)),
        };
        *self = ahead;
        Ok(AnyHead { major, argument, at, len: self.offset() - at })
    }

    /// Reads an integer from 0 to 2^64 - 1.
    ///
    /// # Errors
    ///
    /// Those of [`Self::head_of`].
    #[inline]
    pub fn unsigned(&mut self) -> Result<u64, ReadError> {
        self.head_of(Major::Unsigned)
    }

    /// Reads an integer from -2^63 to 2^63 - 1.
    ///
    /// # Errors
    ///
    /// Those of [`Self::head`]. [`ReadError::Type`] for an item of another type, and
    /// [`ReadError::Integer`] for an integer outside of the range.
    #[inline]
    pub fn integer(&mut self) -> Result<i64, ReadError> {
        self.head()?.integer()
    }

    /// Reads a byte string.
    ///
    /// # Errors
    ///
    /// Those of [`Self::head_of`].
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], ReadError> {
        let len = self.head_of(Major::Bytes)?;
        self.take(len)
    }

    /// Reads text.
    ///
    /// # Errors
    ///
    /// Those of [`Self::head_of`], and [`ReadError::Utf8`].
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, ReadError> {
        let at = self.offset();
        let len = self.head_of(Major::Text)?;
        core::str::from_utf8(self.take(len)?).map_err(|_| ReadError::Utf8(at))
    }

    /// Reads the head of an array and returns the number of its items, which is at most the number
    /// of bytes left.
    ///
    /// # Errors
    ///
    /// Those of [`Self::head_of`].
    #[inline]
    pub fn array(&mut self) -> Result<usize, ReadError> {
        let len = self.head_of(Major::Array)?;
        self.members(len)
    }

    /// Reads the head of a map and returns the number of its entries, which is at most the number
    /// of bytes left. [`Self::keys`] also checks the order of the keys.
    ///
    /// # Errors
    ///
    /// Those of [`Self::head_of`].
    #[inline]
    pub fn map(&mut self) -> Result<usize, ReadError> {
        let len = self.head_of(Major::Map)?;
        self.members(len)
    }

    /// Reads `false` or `true`.
    ///
    /// # Errors
    ///
    /// Those of [`Self::head`] for other simple values, and [`ReadError::Type`].
    #[inline]
    pub fn boolean(&mut self) -> Result<bool, ReadError> {
        match self.peek() {
            Some(byte @ (FALSE | TRUE)) => {
                self.skip_byte();
                Ok(byte == TRUE)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Skips a `null`. Returns `false` if another item comes next.
    #[inline(always)]
    pub fn eat_null(&mut self) -> bool {
        self.eat(&[NULL])
    }

    /// Moves to the part of the input that `rest` is.
    #[inline(always)]
    pub(crate) fn advance_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// Returns why the next item is not the expected one.
    #[cold]
    fn unexpected(mut self) -> ReadError {
        self.head().map_or_else(|error| error, |head| ReadError::Type(head.at))
    }

    /// Checks that this many members can follow, each of at least one byte.
    #[inline]
    fn members(&self, len: u64) -> Result<usize, ReadError> {
        let len = usize::try_from(len).ok().filter(|len| *len <= self.rest.len());
        len.ok_or(ReadError::Truncated)
    }

    /// Reads a head that [`Self::head`] does not read by itself.
    #[cold]
    #[inline(never)]
    fn long_head(&mut self) -> Result<Head, ReadError> {
        let at = self.offset();
        let [initial] = *self.take_array()?;
        let (major, info) = (Major::of(initial), initial & 31);
        let (argument, least) = match info {
            25..=27 if major == Major::Simple => return Err(ReadError::Float(at)),
            _ if major == Major::Simple => return Err(ReadError::Simple(at)),
            0..24 => (u64::from(info), 0),
            24 => (u64::from(u8::from_be_bytes(*self.take_array()?)), 24),
            25 => (u64::from(u16::from_be_bytes(*self.take_array()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(*self.take_array()?)), 1 << 16),
            27 => (u64::from_be_bytes(*self.take_array()?), 1 << 32),
            _ => return Err(ReadError::Head(at)),
        };
        if argument < least {
            return Err(ReadError::NotMinimal(at));
        }
        Ok(Head { major, argument, at })
    }

    #[cold]
    #[inline(never)]
    fn long_head_of(&mut self, major: Major) -> Result<u64, ReadError> {
        let head = self.long_head()?;
        if head.major == major { Ok(head.argument) } else { Err(ReadError::Type(head.at)) }
    }

    #[inline(always)]
    fn take_array<const N: usize>(&mut self) -> Result<&'a [u8; N], ReadError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ReadError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl Head {
    /// Returns the integer that the head of one stands for, from -2^63 to 2^63 - 1.
    ///
    /// # Errors
    ///
    /// [`ReadError::Type`] if this is not the head of an integer, and [`ReadError::Integer`] if it
    /// is outside of the range.
    #[inline]
    pub fn integer(self) -> Result<i64, ReadError> {
        let value = i64::try_from(self.argument).map_err(|_| ReadError::Integer(self.at));
        match self.major {
            Major::Unsigned => value,
            // CBOR counts negative numbers from -1 downwards.
            Major::Negative => value.map(|value| -1 - value),
            _ => Err(ReadError::Type(self.at)),
        }
    }
}
