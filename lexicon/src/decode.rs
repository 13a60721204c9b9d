//! A strict reader of DAG-CBOR, in one pass and without building a tree.
//!
//! Data that passes is canonical: encoding it again gives the same bytes and the same CID.
//!
//! # Tricky bits
//!
//! [`walk`] is one loop with its state in local variables. It is compiled once per sink, so events
//! that a sink ignores cost nothing.
//!
//! <https://atproto.com/specs/data-model#dag-cbor>

use core::cmp::Ordering;

use nacre_cbor::{FALSE, Head, Link, Major, NULL, Reader, TRUE, compare_keys};

use crate::{
    DataError, MAX_CBOR_BYTES, MAX_DEPTH, MAX_ITEMS, MAX_KEY_BYTES,
    blob_shape::BlobShape,
    cbor::{Text, integer, text},
};

/// Checks that these bytes are one object of the data model in canonical DAG-CBOR.
///
/// Takes one pass and allocates nothing.
///
/// # Errors
///
/// [`DataError`] names the first rule broken.
pub fn check(cbor: &[u8]) -> Result<(), DataError> {
    walk(cbor, |_: Event<'_, &[u8]>| ())
}

/// Opens data, which must start with an object.
pub(crate) fn open(cbor: &[u8]) -> Result<Reader<'_>, DataError> {
    if cbor.len() > MAX_CBOR_BYTES {
        return Err(DataError::TooLarge);
    }
    let reader = Reader::new(cbor);
    if Major::of(reader.peek().ok_or(DataError::Truncated)?) != Major::Map {
        return Err(DataError::NotObject);
    }
    Ok(reader)
}

/// Checks and skips the next value, which is inside `depth` containers.
pub(crate) fn check_value(reader: &mut Reader<'_>, depth: usize) -> Result<(), DataError> {
    walk_value(reader, depth, |_: Event<'_, &[u8]>| ())
}

/// One step through the data.
pub(crate) enum Event<'a, T> {
    Array,
    ArrayEnd,
    Bool(bool),
    Bytes(&'a [u8]),
    Integer(i64),
    Key(T),
    Link(Link),
    Map,
    /// The encoded object, and its parsed form if its `$type` is `blob`.
    MapEnd(&'a [u8], Option<BlobShape<'a>>),
    Null,
    Text(T),
}

/// Checks DAG-CBOR and passes each event to `sink`.
#[inline]
pub(crate) fn walk<'a, T: Text<'a>>(
    cbor: &'a [u8],
    sink: impl FnMut(Event<'a, T>),
) -> Result<(), DataError> {
    let mut reader = open(cbor)?;
    walk_value(&mut reader, 0, sink)?;
    if reader.is_at_end() { Ok(()) } else { Err(DataError::Trailing) }
}

#[inline(always)]
fn walk_value<'a, T: Text<'a>>(
    place: &mut Reader<'a>,
    depth: usize,
    mut sink: impl FnMut(Event<'a, T>),
) -> Result<(), DataError> {
    // A copy can stay in registers.
    let mut reader = *place;
    let mut stack = ContainerStack::new(depth);
    let mut level = Level::OUTSIDE;
    loop {
        if level.left == 0 {
            let Some(outer) = stack.pop() else {
                *place = reader;
                return Ok(());
            };
            sink(level.end(&reader)?);
            level = outer;
            continue;
        }
        level.left -= 1;
        if level.is_map {
            let name = key(&mut reader)?;
            let key: T = check_key(name, level.key, &reader)?;
            level.key = name;
            sink(Event::Key(key));
            if level.key == b"$type" {
                let text: T = type_value(&mut reader)?;
                level.is_blob = text.as_bytes() == b"blob";
                sink(Event::Text(text));
                continue;
            }
        }
        match reader.peek() {
            Some(FALSE | TRUE) => {
                sink(Event::Bool(reader.peek() == Some(TRUE)));
                reader.skip_byte();
                continue;
            }
            Some(NULL) => {
                sink(Event::Null);
                reader.skip_byte();
                continue;
            }
            Some(initial) if Major::of(initial) == Major::Tag => {
                sink(Event::Link(reader.link()?));
                continue;
            }
            _ => {}
        }
        let head = reader.head()?;
        let inner = match head.major {
            Major::Text => {
                sink(Event::Text(text(&mut reader, head.argument)?));
                continue;
            }
            Major::Unsigned | Major::Negative => {
                sink(Event::Integer(integer(head)?));
                continue;
            }
            Major::Bytes => {
                sink(Event::Bytes(reader.take(head.argument)?));
                continue;
            }
            _ => Level::inside(head),
        };
        stack.push(level)?;
        level = inner?;
        sink(if level.is_map { Event::Map } else { Event::Array });
    }
}

/// A container that is being read.
#[derive(Clone, Copy)]
struct Level<'a> {
    /// The last key.
    key: &'a [u8],
    /// The offset of its head.
    start: usize,
    /// The number of items or entries still to come.
    left: usize,
    is_map: bool,
    is_blob: bool,
}

impl<'a> Level<'a> {
    /// The pseudo-container of the outermost value.
    const OUTSIDE: Self = Level { key: b"", start: 0, left: 1, is_map: false, is_blob: false };

    #[inline(always)]
    fn inside(head: Head) -> Result<Self, DataError> {
        match usize::try_from(head.argument) {
            Ok(left) if left <= MAX_ITEMS => {
                let is_map = head.major == Major::Map;
                Ok(Level { key: b"", start: head.at, left, is_map, is_blob: false })
            }
            _ => Err(DataError::Items),
        }
    }

    #[inline(always)]
    fn end<T>(&self, reader: &Reader<'a>) -> Result<Event<'a, T>, DataError> {
        if !self.is_map {
            return Ok(Event::ArrayEnd);
        }
        let map = reader.since(self.start);
        let blob = match self.is_blob {
            true => Some(BlobShape::parse(map).ok_or(DataError::Blob)?),
            false => None,
        };
        Ok(Event::MapEnd(map, blob))
    }
}

/// The containers around the current one.
///
/// Nearly all data is shallow, so the deeper part is not initialised until it is needed.
struct ContainerStack<'a> {
    count: usize,
    /// The most containers that fit within the depth limit.
    limit: usize,
    inline: [Level<'a>; INLINE_DEPTH],
    overflow: Option<[Level<'a>; MAX_DEPTH - INLINE_DEPTH]>,
}

impl<'a> ContainerStack<'a> {
    #[inline(always)]
    fn new(depth: usize) -> Self {
        Self {
            count: 0,
            limit: MAX_DEPTH.saturating_sub(depth),
            inline: [Level::OUTSIDE; INLINE_DEPTH],
            overflow: None,
        }
    }

    #[inline(always)]
    fn push(&mut self, level: Level<'a>) -> Result<(), DataError> {
        if self.count == self.limit {
            return Err(DataError::Depth);
        }
        let slot = match self.inline.get_mut(self.count) {
            Some(slot) => slot,
            None => overflow_slot(&mut self.overflow, self.count - INLINE_DEPTH)?,
        };
        *slot = level;
        self.count += 1;
        Ok(())
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<Level<'a>> {
        self.count = self.count.checked_sub(1)?;
        match self.inline.get(self.count) {
            Some(level) => Some(*level),
            None => self.overflow.as_ref()?.get(self.count - INLINE_DEPTH).copied(),
        }
    }
}

#[cold]
#[inline(never)]
fn overflow_slot<'r, 'a>(
    overflow: &'r mut Option<[Level<'a>; MAX_DEPTH - INLINE_DEPTH]>,
    index: usize,
) -> Result<&'r mut Level<'a>, DataError> {
    let overflow = overflow.get_or_insert([Level::OUTSIDE; MAX_DEPTH - INLINE_DEPTH]);
    overflow.get_mut(index).ok_or(DataError::Depth)
}

/// Takes the bytes of a key without checking them.
#[inline(always)]
pub(crate) fn key<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DataError> {
    let head = reader.head()?;
    if head.major == Major::Text {
        Ok(reader.take(head.argument)?)
    } else {
        Err(DataError::KeyType)
    }
}

/// Checks a key that was just taken, and its order after the key before.
#[inline(always)]
pub(crate) fn check_key<'a, T: Text<'a>>(
    key: &'a [u8],
    before: &[u8],
    reader: &Reader<'_>,
) -> Result<T, DataError> {
    let text = T::from_utf8(key).ok_or_else(|| DataError::Utf8(reader.offset() - key.len()))?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(DataError::KeyLength);
    }
    // The first key is compared with "", because no key is empty.
    if key.len() <= before.len() {
        match compare_keys(before, key) {
            Ordering::Less => {}
            Ordering::Equal => return Err(DataError::DuplicateKey),
            Ordering::Greater => return Err(DataError::KeyOrder),
        }
    }
    if matches!(key, b"$link" | b"$bytes") {
        return Err(DataError::ReservedKey);
    }
    Ok(text)
}

#[inline(always)]
pub(crate) fn type_value<'a, T: Text<'a>>(reader: &mut Reader<'a>) -> Result<T, DataError> {
    if reader.peek().is_some_and(|initial| Major::of(initial) != Major::Text) {
        return Err(DataError::Type);
    }
    let head = reader.head()?;
    let text: T = text(reader, head.argument)?;
    if text.as_bytes().is_empty() { Err(DataError::Type) } else { Ok(text) }
}

/// The depth of records that the network's applications write.
const INLINE_DEPTH: usize = 8;
