//! Reads DAG-CBOR strictly, one event at a time, without building a tree.
//!
//! Whatever passes is canonical: encoding the same data again gives the same bytes, so a CID that
//! was computed over them is the only one that the data can have.
//!
//! <https://atproto.com/specs/data-model#dag-cbor>

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::{
    DataError, MAX_CBOR_BYTES, MAX_DEPTH, MAX_ITEMS, MAX_KEY_BYTES,
    blob::Shape,
    cbor::{ARRAY, BYTES, Cursor, FALSE, Head, MAP, NEGATIVE, NULL, TAG, TEXT, TRUE, UNSIGNED},
    link::Link,
};

/// Checks that these bytes are one object of the data model, canonically encoded.
///
/// Takes one pass and memory for the nesting only.
///
/// # Errors
///
/// [`DataError`] names the first rule broken.
pub fn check(cbor: &[u8]) -> Result<(), DataError> {
    let mut reader = Reader::new(cbor)?;
    while reader.next()?.is_some() {}
    Ok(())
}

/// One step through the data.
pub(crate) enum Event<'a> {
    Array,
    ArrayEnd,
    Bool(bool),
    Bytes(&'a [u8]),
    Integer(i64),
    Key(&'a str),
    Link(Link),
    Map,
    MapEnd(Shape<'a>),
    Null,
    Text(&'a str),
}

/// Walks over DAG-CBOR.
pub(crate) struct Reader<'a> {
    cursor: Cursor<'a>,
    open: Vec<Level<'a>>,
}

/// A container that is being read.
struct Level<'a> {
    /// Where its head begins.
    start: usize,
    /// How many items, or keys with values, are still to come.
    left: u64,
    state: State,
    /// The key read last.
    key: &'a str,
    is_blob: bool,
}

/// What a container expects next.
#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Item,
    Key,
    TypeValue,
    Value,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(cbor: &'a [u8]) -> Result<Self, DataError> {
        if cbor.len() > MAX_CBOR_BYTES {
            return Err(DataError::TooLarge);
        }
        match cbor.first() {
            None => Err(DataError::Truncated),
            Some(initial) if initial >> 5 != MAP => Err(DataError::NotObject),
            Some(_) => Ok(Self { cursor: Cursor::new(cbor), open: Vec::new() }),
        }
    }

    /// Returns the next event, or `None` after the end of the outermost object.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Event<'a>>, DataError> {
        let Some(level) = self.open.last_mut() else {
            return self.outermost();
        };
        match level.state {
            State::Item | State::Key if level.left == 0 => self.close().map(Some),
            State::Item => {
                level.left -= 1;
                self.value().map(Some)
            }
            State::Key => {
                level.left -= 1;
                let key = key(&mut self.cursor, level.key)?;
                level.state = if key == "$type" { State::TypeValue } else { State::Value };
                level.key = key;
                Ok(Some(Event::Key(key)))
            }
            State::TypeValue => {
                level.state = State::Key;
                let text = type_value(&mut self.cursor)?;
                level.is_blob = text == "blob";
                Ok(Some(Event::Text(text)))
            }
            State::Value => {
                level.state = State::Key;
                self.value().map(Some)
            }
        }
    }

    fn outermost(&mut self) -> Result<Option<Event<'a>>, DataError> {
        if self.cursor.at() == 0 {
            return self.value().map(Some);
        }
        if self.cursor.is_at_end() { Ok(None) } else { Err(DataError::Trailing) }
    }

    fn value(&mut self) -> Result<Event<'a>, DataError> {
        match self.cursor.peek() {
            Some(FALSE | TRUE) => return Ok(Event::Bool(self.cursor.byte()? == TRUE)),
            Some(NULL) => return self.cursor.byte().map(|_| Event::Null),
            _ => {}
        }
        let head = self.cursor.head()?;
        Ok(match head.major {
            UNSIGNED | NEGATIVE => Event::Integer(head.integer()?),
            BYTES => Event::Bytes(self.cursor.take(head.value)?),
            TEXT => Event::Text(self.cursor.text(head.value)?),
            ARRAY => self.open(head, State::Item, Event::Array)?,
            MAP => self.open(head, State::Key, Event::Map)?,
            TAG => Event::Link(self.cursor.link(head)?),
            _ => return Err(DataError::Simple(head.at)),
        })
    }

    fn open(&mut self, head: Head, state: State, event: Event<'a>) -> Result<Event<'a>, DataError> {
        if self.open.len() == MAX_DEPTH {
            return Err(DataError::Depth);
        }
        if usize::try_from(head.value).map_or(true, |items| items > MAX_ITEMS) {
            return Err(DataError::Items);
        }
        let level = Level { start: head.at, left: head.value, state, key: "", is_blob: false };
        self.open.push(level);
        Ok(event)
    }

    fn close(&mut self) -> Result<Event<'a>, DataError> {
        let level = self.open.pop().expect("only an open container can end");
        if level.state == State::Item {
            return Ok(Event::ArrayEnd);
        }
        Shape::of(self.cursor.since(level.start), level.is_blob).map(Event::MapEnd)
    }
}

fn key<'a>(cursor: &mut Cursor<'a>, before: &str) -> Result<&'a str, DataError> {
    let head = cursor.head()?;
    if head.major != TEXT {
        return Err(DataError::KeyType);
    }
    let key = cursor.text(head.value)?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(DataError::KeyLength);
    }
    // No key is empty, so the first one is in order after "".
    match key.len().cmp(&before.len()).then_with(|| key.cmp(before)) {
        Ordering::Equal => return Err(DataError::DuplicateKey),
        Ordering::Greater => {}
        Ordering::Less => return Err(DataError::KeyOrder),
    }
    if matches!(key, "$link" | "$bytes") {
        return Err(DataError::ReservedKey);
    }
    Ok(key)
}

fn type_value<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, DataError> {
    if cursor.peek().is_some_and(|initial| initial >> 5 != TEXT) {
        return Err(DataError::Type);
    }
    let head = cursor.head()?;
    let text = cursor.text(head.value)?;
    if text.is_empty() { Err(DataError::Type) } else { Ok(text) }
}
