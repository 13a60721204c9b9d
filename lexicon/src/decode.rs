//! Reads DAG-CBOR strictly, in one pass and without building a tree.
//!
//! Whatever passes is canonical: encoding the same data again gives the same bytes, so a CID that
//! was computed over them is the only one that the data can have.
//!
//! # Tricky bits
//!
//! [`walk`] is one loop with its state in local variables, compiled anew for each reader; what a
//! reader does not look at costs nothing.
//!
//! <https://atproto.com/specs/data-model#dag-cbor>

use crate::{
    DataError, MAX_CBOR_BYTES, MAX_DEPTH, MAX_ITEMS, MAX_KEY_BYTES,
    blob_shape::BlobShape,
    cbor::{BYTES, Cursor, FALSE, Head, MAP, NEGATIVE, NULL, TAG, TEXT, TRUE, Text, UNSIGNED},
    link::Link,
};

/// Checks that these bytes are one object of the data model, canonically encoded.
///
/// Takes one pass and no memory.
///
/// # Errors
///
/// [`DataError`] names the first rule broken.
pub fn check(cbor: &[u8]) -> Result<(), DataError> {
    walk(cbor, |_: Event<'_, &[u8]>| ())
}

/// Opens data: something that begins with an object.
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

/// Checks the value that comes next, which is in `depth` containers, and passes over it.
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
    /// The object from its head on, and what it is if its `$type` is `blob`.
    MapEnd(&'a [u8], Option<BlobShape<'a>>),
    Null,
    Text(T),
}

/// Checks DAG-CBOR and hands over each step.
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
    let mut around = Around::new(depth);
    let mut level = Level::OUTSIDE;
    loop {
        if level.left == 0 {
            let Some(outer) = around.pop() else {
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
        around.push(level)?;
        level = inner?;
        sink(if level.is_map { Event::Map } else { Event::Array });
    }
}

/// A container that is being read.
#[derive(Clone, Copy)]
struct Level<'a> {
    /// The key read last.
    key: &'a [u8],
    /// Where its head begins.
    start: usize,
    /// How many items, or keys with values, are still to come.
    left: usize,
    is_map: bool,
    is_blob: bool,
}

impl<'a> Level<'a> {
    /// What the outermost value is in.
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

/// The containers around the one that is being read.
///
/// Nearly all data is shallow. Room for the rest is there, but is not touched until it is needed.
struct Around<'a> {
    /// How many there are.
    count: usize,
    /// How many there may be.
    room: usize,
    near: [Level<'a>; NEAR],
    far: Option<[Level<'a>; MAX_DEPTH - NEAR]>,
}

impl<'a> Around<'a> {
    #[inline(always)]
    fn new(depth: usize) -> Self {
        Self {
            count: 0,
            room: MAX_DEPTH.saturating_sub(depth),
            near: [Level::OUTSIDE; NEAR],
            far: None,
        }
    }

    #[inline(always)]
    fn push(&mut self, level: Level<'a>) -> Result<(), DataError> {
        if self.count == self.room {
            return Err(DataError::Depth);
        }
        let place = match self.near.get_mut(self.count) {
            Some(place) => place,
            None => far_place(&mut self.far, self.count - NEAR)?,
        };
        *place = level;
        self.count += 1;
        Ok(())
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<Level<'a>> {
        self.count = self.count.checked_sub(1)?;
        match self.near.get(self.count) {
            Some(level) => Some(*level),
            None => self.far.as_ref()?.get(self.count - NEAR).copied(),
        }
    }
}

#[cold]
#[inline(never)]
fn far_place<'r, 'a>(
    far: &'r mut Option<[Level<'a>; MAX_DEPTH - NEAR]>,
    index: usize,
) -> Result<&'r mut Level<'a>, DataError> {
    let far = far.get_or_insert([Level::OUTSIDE; MAX_DEPTH - NEAR]);
    far.get_mut(index).ok_or(DataError::Depth)
}

/// Takes a key that may be anything.
#[inline(always)]
pub(crate) fn key<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], DataError> {
    let head = cursor.head()?;
    if head.major == TEXT { cursor.take(head.value) } else { Err(DataError::KeyType) }
}

/// Checks a key that was just taken, and comes after another.
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
    // No key is empty, so the first one is in order after "".
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

/// As deep as what the network's applications write.
const NEAR: usize = 8;
