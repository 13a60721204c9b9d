//! Keys of maps and their canonical order, which is the same in DAG-CBOR and CTAP2.
//!
//! Specifications: <https://ipld.io/specs/codecs/dag-cbor/spec/#strictness>,
//! <https://fidoalliance.org/specs/fido-v2.1-ps-20210615/fido-client-to-authenticator-protocol-v2.1-ps-20210615.html#ctap2-canonical-cbor-encoding-form>

use core::cmp::Ordering;

use crate::{Major, ReadError, Reader};

/// A key of a map.
///
/// Keys compare in canonical order: integers from 0 upwards, then integers from -1 downwards, then
/// text by [`compare_keys`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key<'a> {
    /// An integer, as in a COSE key.
    Integer(i64),
    /// Text. DAG-CBOR has no other keys.
    Text(&'a str),
}

/// The keys of a map that is being read, which must be in canonical order.
///
/// ```
/// use nacre_cbor::{ReadError, Reader};
///
/// let mut reader = Reader::new(b"\xa2\x61b\x01\x61a\x02");
/// let mut keys = reader.keys()?;
/// assert_eq!(keys.next_text(&mut reader)?, Some("b"));
/// assert_eq!(reader.integer()?, 1);
/// assert_eq!(keys.next_text(&mut reader), Err(ReadError::KeyOrder(4)));
/// # Ok::<(), ReadError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    left: usize,
    last: Option<Key<'a>>,
}

impl<'a> Reader<'a> {
    /// Starts reading a map key by key. After each key, the caller reads its value.
    ///
    /// # Errors
    ///
    /// Those of [`Self::map`].
    #[inline]
    pub fn keys(&mut self) -> Result<Keys<'a>, ReadError> {
        Ok(Keys { left: self.map()?, last: None })
    }
}

impl<'a> Keys<'a> {
    /// Returns the number of keys still to come.
    #[inline]
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left
    }

    /// Reads the next key, which must be text, or returns `None` at the end of the map.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::text`]. [`ReadError::KeyOrder`] or [`ReadError::DuplicateKey`] if the key
    /// is not greater than the one before.
    #[inline]
    pub fn next_text(&mut self, reader: &mut Reader<'a>) -> Result<Option<&'a str>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        let at = reader.offset();
        let text = reader.text()?;
        self.follow(Key::Text(text), at)?;
        Ok(Some(text))
    }

    /// Reads the next key, an integer or text, or returns `None` at the end of the map.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::text`] and [`Reader::integer`]. [`ReadError::KeyOrder`] or
    /// [`ReadError::DuplicateKey`] if the key is not greater than the one before.
    pub fn next_key(&mut self, reader: &mut Reader<'a>) -> Result<Option<Key<'a>>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        let at = reader.offset();
        let key = match reader.peek().map(Major::of) {
            Some(Major::Text) => Key::Text(reader.text()?),
            _ => Key::Integer(reader.integer()?),
        };
        self.follow(key, at)?;
        Ok(Some(key))
    }

    #[inline]
    fn follow(&mut self, key: Key<'a>, at: usize) -> Result<(), ReadError> {
        match self.last.map_or(Ordering::Less, |last| last.cmp(&key)) {
            Ordering::Less => {}
            Ordering::Equal => return Err(ReadError::DuplicateKey(at)),
            Ordering::Greater => return Err(ReadError::KeyOrder(at)),
        }
        self.left -= 1;
        self.last = Some(key);
        Ok(())
    }
}

impl Ord for Key<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => compare_keys(a.as_bytes(), b.as_bytes()),
            (Self::Text(_), Self::Integer(_)) => Ordering::Greater,
            (Self::Integer(_), Self::Text(_)) => Ordering::Less,
            (Self::Integer(a), Self::Integer(b)) => {
                // Encoded, a greater argument is longer, or has greater bytes.
                (*a < 0).cmp(&(*b < 0)).then_with(|| argument(*a).cmp(&argument(*b)))
            }
        }
    }
}

impl PartialOrd for Key<'_> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares the bytes of two text keys in canonical order: by length, then by bytes.
#[inline(always)]
#[must_use]
pub fn compare_keys(a: &[u8], b: &[u8]) -> Ordering {
    // Keys are short, so a loop is faster than a call of `memcmp`.
    a.len().cmp(&b.len()).then_with(|| {
        a.iter().zip(b).find(|(a, b)| a != b).map_or(Ordering::Equal, |(a, b)| a.cmp(b))
    })
}

/// Returns the argument of an integer's head.
fn argument(value: i64) -> u64 {
    if value < 0 { value.unsigned_abs() - 1 } else { value.unsigned_abs() }
}
