//! A non-recursive reader of any well-formed CBOR item.
//!
//! # Tricky bits
//!
//! A map key can be a container whose keys are containers in turn. To stay iterative, [`Walk`]
//! returns such a key as bytes, and [`skip`] skips it without distinguishing keys from values.

use alloc::{borrow::Cow, vec::Vec};

use nacre_cbor::{LINK_TAG, Major, ReadError, Reader};

use crate::{CborError, MAX_LOOSE_DEPTH, MAX_RECORD_BYTES};

/// Checks that these bytes are one well-formed item within the limits.
pub(super) fn check_well_formed(cbor: &[u8]) -> Result<(), CborError> {
    if cbor.len() > MAX_RECORD_BYTES {
        return Err(CborError::TooLarge);
    }
    let mut reader = Reader::new(cbor);
    skip(&mut reader, MAX_LOOSE_DEPTH)?;
    if reader.is_at_end() { Ok(()) } else { Err(CborError::Trailing) }
}

/// Skips an item that nests at most `room` arrays, maps and tags.
fn skip(reader: &mut Reader<'_>, room: usize) -> Result<(), CborError> {
    let mut nesting = Nesting::new(room);
    loop {
        match nesting.next(reader) {
            Next::Done => return Ok(()),
            Next::End(_) => {}
            Next::Key | Next::Value => match item(reader)? {
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
        let start = self.reader;
        if let Item::Text(text) = item(&mut self.reader)? {
            return Ok(Key::Text(text.join()));
        }
        self.reader = start;
        skip(&mut self.reader, self.nesting.room())?;
        Ok(Key::Other(self.reader.since(start.offset())))
    }

    /// Reads a value, or returns `None` after a tag, whose content follows.
    fn value(&mut self) -> Result<Option<Event<'a>>, CborError> {
        Ok(Some(match item(&mut self.reader)? {
            Item::Array(len) => {
                self.nesting.open(Kind::Array, len)?;
                Event::Array
            }
            Item::Map(len) => {
                self.nesting.open(Kind::Map, len)?;
                Event::Map
            }
            Item::Tag(number) => {
                let mut ahead = self.reader;
                if let (LINK_TAG, Ok(Item::Bytes(content))) = (number, item(&mut ahead)) {
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
            None => reader.eat(&[BREAK]),
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
            item(&mut reader)
        {
            joined.extend_from_slice(chunk);
        }
        Cow::Owned(joined)
    }
}

/// Reads an item, or the head of one that holds others.
fn item<'a>(reader: &mut Reader<'a>) -> Result<Item<'a>, CborError> {
    let head = reader.any_head()?;
    Ok(match (head.major, head.argument) {
        (Major::Bytes, len) => Item::Bytes(string(reader, Major::Bytes, len)?),
        (Major::Text, len) => Item::Text(string(reader, Major::Text, len)?),
        (Major::Array, len) => Item::Array(len),
        (Major::Map, len) => Item::Map(len),
        (_, None) => return Err(CborError::Break(head.at)),
        (Major::Unsigned, Some(value)) => Item::Unsigned(value),
        (Major::Negative, Some(value)) => Item::Negative(value),
        (Major::Tag, Some(number)) => Item::Tag(number),
        (Major::Simple, Some(_)) => match (head.simple(), head.float()) {
            (Some(value), _) => Item::Simple(value),
            (None, Some(value)) => Item::Float(value),
            (None, None) => return Err(CborError::Simple(head.at)),
        },
    })
}

/// Reads the content of a string of this length, or of chunks up to a break.
fn string<'a>(
    reader: &mut Reader<'a>,
    major: Major,
    len: Option<u64>,
) -> Result<Pieces<'a>, CborError> {
    if let Some(len) = len {
        return Ok(Pieces::Whole(reader.take(len)?));
    }
    let chunks = *reader;
    loop {
        let at = reader.offset();
        if reader.eat(&[BREAK]) {
            let len = at - chunks.offset();
            return Ok(Pieces::Chunks(chunks.rest().get(..len).unwrap_or_default()));
        }
        // A chunk has a length: chunks do not nest.
        match reader.peek() {
            Some(initial) if Major::of(initial) != major || initial & 31 == 31 => {
                return Err(CborError::Chunk(at));
            }
            _ => item(reader)?,
        };
    }
}

impl From<ReadError> for CborError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Simple(at) => Self::Simple(at),
            ReadError::Head(at) => Self::Head(at),
            _ => Self::Truncated,
        }
    }
}

const BREAK: u8 = 0xff;
