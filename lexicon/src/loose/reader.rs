//! A non-recursive reader of any well-formed CBOR item.
//!
//! # Tricky bits
//!
//! A map key can be a container whose keys are containers in turn. To stay iterative, [`Walk`]
//! returns such a key as bytes, and [`skip`] skips it without distinguishing keys from values.

use alloc::{borrow::Cow, vec::Vec};

use crate::{
    CborError, MAX_LOOSE_DEPTH, MAX_RECORD_BYTES,
    cbor::{ARRAY, BYTES, MAP, NEGATIVE, TAG, TEXT, UNSIGNED},
};

/// Checks that these bytes are one well-formed item within the limits.
pub(super) fn check_well_formed(cbor: &[u8]) -> Result<(), CborError> {
    if cbor.len() > MAX_RECORD_BYTES {
        return Err(CborError::TooLarge);
    }
    let mut reader = Reader::new(cbor);
    skip(&mut reader, MAX_LOOSE_DEPTH)?;
    if reader.at == cbor.len() { Ok(()) } else { Err(CborError::Trailing) }
}

/// Skips an item that nests at most `room` arrays, maps and tags.
fn skip(reader: &mut Reader<'_>, room: usize) -> Result<(), CborError> {
    let mut nesting = Nesting::new(room);
    loop {
        match nesting.next(reader) {
            Next::Done => return Ok(()),
            Next::End(_) => {}
            Next::Key | Next::Value => match reader.item()? {
                Item::Array(len) => nesting.open(Kind::Array, len)?,
                Item::Map(len) => nesting.open(Kind::Map, len)?,
                Item::Tag(_) => nesting.open(Kind::Tag, Some(1))?,
                _ => {}
            },
        }
    }
}

/// A walk over an item.
pub(super) struct Walk<'a> {
    reader: Reader<'a>,
    nesting: Nesting,
}

/// One step through an item.
pub(super) enum Event<'a> {
    Array,
    ArrayEnd,
    /// A key, whose value follows.
    Key(Key<'a>),
    /// The content of a byte string with tag 42.
    Link(Cow<'a, [u8]>),
    Map,
    MapEnd,
    /// Anything else. Other tags are skipped, but not their content.
    Scalar(Scalar<'a>),
}

/// A key of a map.
pub(super) enum Key<'a> {
    /// Bytes that should be UTF-8.
    Text(Cow<'a, [u8]>),
    /// The whole encoded item.
    Other(&'a [u8]),
}

/// An item without other items inside.
pub(super) enum Scalar<'a> {
    Bytes(Cow<'a, [u8]>),
    Float(f64),
    /// -1 minus the number.
    Negative(u64),
    Simple(u8),
    /// Bytes that should be UTF-8.
    Text(Cow<'a, [u8]>),
    Unsigned(u64),
}

impl<'a> Walk<'a> {
    /// Starts at one item. Input from outside must have passed [`check_well_formed`].
    pub(super) fn new(cbor: &'a [u8]) -> Self {
        Self { reader: Reader::new(cbor), nesting: Nesting::new(MAX_LOOSE_DEPTH) }
    }

    /// Returns the next step, or `None` after the item.
    pub(super) fn step(&mut self) -> Result<Option<Event<'a>>, CborError> {
        loop {
            match self.nesting.next(&mut self.reader) {
                Next::Done => return Ok(None),
                Next::End(Kind::Array) => return Ok(Some(Event::ArrayEnd)),
                Next::End(Kind::Map) => return Ok(Some(Event::MapEnd)),
                Next::End(Kind::Tag) => {}
                Next::Key => return self.key().map(|key| Some(Event::Key(key))),
                Next::Value => {
                    if let Some(event) = self.value()? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    fn key(&mut self) -> Result<Key<'a>, CborError> {
        let start = self.reader.at;
        if let Item::Text(text) = self.reader.item()? {
            return Ok(Key::Text(text.join()));
        }
        self.reader.at = start;
        skip(&mut self.reader, self.nesting.room())?;
        let bytes = self.reader.bytes;
        Ok(Key::Other(bytes.get(start..self.reader.at).unwrap_or_default()))
    }

    /// Reads a value, or returns `None` after a tag, whose content follows.
    fn value(&mut self) -> Result<Option<Event<'a>>, CborError> {
        Ok(Some(match self.reader.item()? {
            Item::Array(len) => {
                self.nesting.open(Kind::Array, len)?;
                Event::Array
            }
            Item::Map(len) => {
                self.nesting.open(Kind::Map, len)?;
                Event::Map
            }
            Item::Tag(number) => {
                let mut ahead = self.reader.clone();
                if let (LINK, Ok(Item::Bytes(content))) = (number, ahead.item()) {
                    self.reader = ahead;
                    return Ok(Some(Event::Link(content.join())));
                }
                self.nesting.open(Kind::Tag, Some(1))?;
                return Ok(None);
            }
            Item::Bytes(bytes) => Event::Scalar(Scalar::Bytes(bytes.join())),
            Item::Float(value) => Event::Scalar(Scalar::Float(value)),
            Item::Negative(value) => Event::Scalar(Scalar::Negative(value)),
            Item::Simple(value) => Event::Scalar(Scalar::Simple(value)),
            Item::Text(text) => Event::Scalar(Scalar::Text(text.join())),
            Item::Unsigned(value) => Event::Scalar(Scalar::Unsigned(value)),
        }))
    }
}

/// The containers and tags that are open, outermost first.
struct Nesting {
    open: Vec<OpenItem>,
    /// The most that may be open.
    limit: usize,
    has_begun: bool,
}

struct OpenItem {
    kind: Kind,
    /// The number of items or entries still to come, or `None` up to a break.
    left: Option<u64>,
    /// Whether a key was read and its value is next.
    at_value: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Array,
    Map,
    Tag,
}

/// What comes next.
enum Next {
    Done,
    End(Kind),
    Key,
    Value,
}

impl Nesting {
    fn new(limit: usize) -> Self {
        Self { open: Vec::new(), limit, has_begun: false }
    }

    /// Returns the number of levels that may still be opened.
    fn room(&self) -> usize {
        self.limit.saturating_sub(self.open.len())
    }

    fn open(&mut self, kind: Kind, left: Option<u64>) -> Result<(), CborError> {
        if self.room() == 0 {
            return Err(CborError::Depth);
        }
        self.open.push(OpenItem { kind, left, at_value: false });
        Ok(())
    }

    fn next(&mut self, reader: &mut Reader<'_>) -> Next {
        let Some(open) = self.open.last_mut() else {
            let has_begun = core::mem::replace(&mut self.has_begun, true);
            return if has_begun { Next::Done } else { Next::Value };
        };
        let kind = open.kind;
        if core::mem::take(&mut open.at_value) {
            return Next::Value;
        }
        let has_ended = match &mut open.left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => reader.eat_break(),
        };
        if has_ended {
            self.open.pop();
            return Next::End(kind);
        }
        open.at_value = kind == Kind::Map;
        if open.at_value { Next::Key } else { Next::Value }
    }
}

/// An item, or the head of one that holds others.
enum Item<'a> {
    Array(Option<u64>),
    Bytes(Pieces<'a>),
    Float(f64),
    Map(Option<u64>),
    Negative(u64),
    Simple(u8),
    Tag(u64),
    Text(Pieces<'a>),
    Unsigned(u64),
}

/// A string, whole or in chunks.
enum Pieces<'a> {
    /// Chunks with their heads.
    Chunks(&'a [u8]),
    Whole(&'a [u8]),
}

impl<'a> Pieces<'a> {
    fn join(self) -> Cow<'a, [u8]> {
        let chunks = match self {
            Self::Chunks(chunks) => chunks,
            Self::Whole(bytes) => return Cow::Borrowed(bytes),
        };
        let mut reader = Reader::new(chunks);
        let mut joined = Vec::with_capacity(chunks.len());
        while let Ok(Item::Bytes(Pieces::Whole(chunk)) | Item::Text(Pieces::Whole(chunk))) =
            reader.item()
        {
            joined.extend_from_slice(chunk);
        }
        Cow::Owned(joined)
    }
}

#[derive(Clone)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn item(&mut self) -> Result<Item<'a>, CborError> {
        let at = self.at;
        let [initial] = *self.take_array()?;
        let (major, info) = (initial >> 5, initial & 31);
        let value = match info {
            0..24 => Some(u64::from(info)),
            24 => Some(u64::from(u8::from_be_bytes(*self.take_array()?))),
            25 => Some(u64::from(u16::from_be_bytes(*self.take_array()?))),
            26 => Some(u64::from(u32::from_be_bytes(*self.take_array()?))),
            27 => Some(u64::from_be_bytes(*self.take_array()?)),
            31 => None,
            _ => return Err(CborError::Head(at)),
        };
        match (major, value) {
            (UNSIGNED, Some(value)) => Ok(Item::Unsigned(value)),
            (NEGATIVE, Some(value)) => Ok(Item::Negative(value)),
            (BYTES, len) => self.string(BYTES, len).map(Item::Bytes),
            (TEXT, len) => self.string(TEXT, len).map(Item::Text),
            (ARRAY, len) => Ok(Item::Array(len)),
            (MAP, len) => Ok(Item::Map(len)),
            (TAG, Some(number)) => Ok(Item::Tag(number)),
            (UNSIGNED | NEGATIVE | TAG, None) => Err(CborError::Head(at)),
            (_, None) => Err(CborError::Break(at)),
            (_, Some(value)) => simple_or_float(info, value).ok_or(CborError::Simple(at)),
        }
    }

    fn string(&mut self, major: u8, len: Option<u64>) -> Result<Pieces<'a>, CborError> {
        if let Some(len) = len {
            return self.take(len).map(Pieces::Whole);
        }
        let start = self.at;
        loop {
            let at = self.at;
            if self.eat_break() {
                return Ok(Pieces::Chunks(self.bytes.get(start..at).unwrap_or_default()));
            }
            // A chunk has a length: chunks do not nest.
            match self.bytes.get(at) {
                Some(initial) if initial >> 5 != major || initial & 31 == 31 => {
                    return Err(CborError::Chunk(at));
                }
                _ => self.item()?,
            };
        }
    }

    fn eat_break(&mut self) -> bool {
        let is_break = self.bytes.get(self.at) == Some(&BREAK);
        self.at += usize::from(is_break);
        is_break
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], CborError> {
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        let taken = end.and_then(|end| self.bytes.get(self.at..end)).ok_or(CborError::Truncated)?;
        self.at += taken.len();
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<&'a [u8; N], CborError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.first_chunk().ok_or(CborError::Truncated)?;
        self.at += N;
        Ok(taken)
    }
}

/// Reads major type 7, or returns `None` if a simple value has a longer head than it may.
fn simple_or_float(info: u8, value: u64) -> Option<Item<'static>> {
    match info {
        25 => u16::try_from(value).ok().map(|bits| Item::Float(half(bits))),
        26 => u32::try_from(value).ok().map(|bits| Item::Float(f64::from(f32::from_bits(bits)))),
        27 => Some(Item::Float(f64::from_bits(value))),
        24 if value < 32 => None,
        _ => u8::try_from(value).ok().map(Item::Simple),
    }
}

/// Returns the value of a float of 16 bits.
fn half(bits: u16) -> f64 {
    let exponent = u64::from(bits >> 10 & 0x1f);
    let fraction = u64::from(bits & 0x3ff);
    let magnitude = match exponent {
        // Steps of 2^-24.
        0 => f64::from(bits & 0x3ff) / f64::from(1 << 24),
        31 => f64::from_bits(0x7ff << 52 | fraction << 42),
        _ => f64::from_bits((exponent + 1023 - 15) << 52 | fraction << 42),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

const BREAK: u8 = 0xff;

/// The tag of links.
const LINK: u64 = 42;
