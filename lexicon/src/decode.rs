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

use crate::{
    DataError, MAX_CBOR_BYTES, MAX_DEPTH, MAX_ITEMS, MAX_KEY_BYTES,
    blob_shape::BlobShape,
    cbor::{BYTES, Cursor, FALSE, Head, MAP, NEGATIVE, NULL, TAG, TEXT, TRUE, Text, UNSIGNED},
    link::Link,
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
pub(crate) fn open(cbor: &[u8]) -> Result<Cursor<'_>, DataError> {
    if cbor.len() > MAX_CBOR_BYTES {
        return Err(DataError::TooLarge);
    }
    let cursor = Cursor::new(cbor);
    if cursor.peek().ok_or(DataError::Truncated)? >> 5 != MAP {
        return Err(DataError::NotObject);
    }
    Ok(cursor)
}

/// Checks and skips the next value, which is inside `depth` containers.
pub(crate) fn check_value(cursor: &mut Cursor<'_>, depth: usize) -> Result<(), DataError> {
    walk_value(cursor, depth, |_: Event<'_, &[u8]>| ())
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
    let mut cursor = open(cbor)?;
    walk_value(&mut cursor, 0, sink)?;
    if cursor.is_at_end() { Ok(()) } else { Err(DataError::Trailing) }
}

#[inline(always)]
fn walk_value<'a, T: Text<'a>>(
    place: &mut Cursor<'a>,
    depth: usize,
    mut sink: impl FnMut(Event<'a, T>),
) -> Result<(), DataError> {
    // A copy can stay in registers.
    let mut cursor = place.clone();
    let mut stack = ContainerStack::new(depth);
    let mut level = Level::OUTSIDE;
    loop {
        if level.left == 0 {
            let Some(outer) = stack.pop() else {
                *place = cursor;
                return Ok(());
            };
            sink(level.end(&cursor)?);
            level = outer;
            continue;
        }
        level.left -= 1;
        if level.is_map {
            let name = key(&mut cursor)?;
            let key: T = check_key(name, level.key, &cursor)?;
            level.key = name;
            sink(Event::Key(key));
            if level.key == b"$type" {
                let text: T = type_value(&mut cursor)?;
                level.is_blob = text.as_bytes() == b"blob";
                sink(Event::Text(text));
                continue;
            }
        }
        match cursor.peek() {
            Some(FALSE | TRUE) => {
                sink(Event::Bool(cursor.peek() == Some(TRUE)));
                cursor.skip();
                continue;
            }
            Some(NULL) => {
                sink(Event::Null);
                cursor.skip();
                continue;
            }
            Some(initial) if initial >> 5 == TAG => {
                sink(Event::Link(cursor.link()?));
                continue;
            }
            _ => {}
        }
        let head = cursor.head()?;
        let inner = match head.major {
            TEXT => {
                sink(Event::Text(cursor.text(head.value)?));
                continue;
            }
            UNSIGNED | NEGATIVE => {
                sink(Event::Integer(head.integer()?));
                continue;
            }
            BYTES => {
                sink(Event::Bytes(cursor.take(head.value)?));
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
        match usize::try_from(head.value) {
            Ok(left) if left <= MAX_ITEMS => {
                let is_map = head.major == MAP;
                Ok(Level { key: b"", start: head.at, left, is_map, is_blob: false })
            }
            _ => Err(DataError::Items),
        }
    }

    #[inline(always)]
    fn end<T>(&self, cursor: &Cursor<'a>) -> Result<Event<'a, T>, DataError> {
        if !self.is_map {
            return Ok(Event::ArrayEnd);
        }
        let map = cursor.since(self.start);
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
pub(crate) fn key<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], DataError> {
    let head = cursor.head()?;
    if head.major == TEXT { cursor.take(head.value) } else { Err(DataError::KeyType) }
}

/// Checks a key that was just taken, and its order after the key before.
#[inline(always)]
pub(crate) fn check_key<'a, T: Text<'a>>(
    key: &'a [u8],
    before: &[u8],
    cursor: &Cursor<'_>,
) -> Result<T, DataError> {
    let text = T::from_utf8(key).ok_or_else(|| DataError::Utf8(cursor.at() - key.len()))?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(DataError::KeyLength);
    }
    // The first key is compared with "", because no key is empty.
    if key.len() <= before.len() {
        if key.len() < before.len() {
            return Err(DataError::KeyOrder);
        }
        match before.iter().zip(key).find(|(before, key)| before != key) {
            Some((before, key)) if before > key => return Err(DataError::KeyOrder),
            Some(_) => {}
            None => return Err(DataError::DuplicateKey),
        }
    }
    if matches!(key, b"$link" | b"$bytes") {
        return Err(DataError::ReservedKey);
    }
    Ok(text)
}

#[inline(always)]
pub(crate) fn type_value<'a, T: Text<'a>>(cursor: &mut Cursor<'a>) -> Result<T, DataError> {
    if cursor.peek().is_some_and(|initial| initial >> 5 != TEXT) {
        return Err(DataError::Type);
    }
    let head = cursor.head()?;
    let text: T = cursor.text(head.value)?;
    if text.as_bytes().is_empty() { Err(DataError::Type) } else { Ok(text) }
}

/// The depth of records that the network's applications write.
const INLINE_DEPTH: usize = 8;
