//! Runs schemas over DAG-CBOR.
//!
//! *Tricky bits.* The data was checked before, so that reading it cannot fail; where it does all
//! the same, what is read is taken for nothing. Properties of the schema and keys of the data are
//! in one order, so that an object takes one pass over both. The way to what is wrong is put
//! together on the way back, so that nobody pays for it where nothing is.

mod leaf;

use alloc::{borrow::ToOwned, boxed::Box, format, string::String};
use core::cmp::Ordering;

use crate::cbor::{ARRAY, Cursor, FALSE, Head, MAP, NEGATIVE, NULL, TAG, TEXT, TRUE, UNSIGNED};
use crate::schema::catalogue::Catalogue;
use crate::schema::invalid::{Invalid, Reason, Step};
use crate::schema::layout::{ROW_WORDS, flag, kind, order};

type Verdict = Result<(), Box<Invalid>>;

/// Data that is being validated.
pub(super) struct Validator<'c, 'd> {
    catalogue: Catalogue<'c>,
    cursor: Cursor<'d>,
}

impl<'c, 'd> Validator<'c, 'd> {
    pub(super) fn new(catalogue: Catalogue<'c>, cbor: &'d [u8]) -> Self {
        Self { catalogue, cursor: Cursor::new(cbor) }
    }

    /// Validates a record of a collection.
    pub(super) fn record(&mut self, object: usize, collection: &str) -> Verdict {
        let found = type_of(self.cursor.clone());
        if found != Some(collection.as_bytes()) {
            let reason = Reason::Const(collection.to_owned());
            return Err(at_key(Invalid::new(reason), b"$type"));
        }
        self.object(object)
    }

    /// Validates the value that comes next. Calls itself for what is inside of it, which the check
    /// of the data has limited to [`MAX_DEPTH`](crate::MAX_DEPTH).
    pub(super) fn value(&mut self, node: usize) -> Verdict {
        match self.catalogue.word(node) & 0xff {
            kind::ARRAY => self.array(node),
            kind::BLOB => self.blob(node),
            kind::BOOLEAN => self.boolean(node),
            kind::BYTES => self.bytes(node),
            kind::INTEGER => self.integer(node),
            kind::LINK => self.link(),
            kind::OBJECT => self.object(node),
            kind::TEXT => self.text(node),
            kind::UNION => self.union(node),
            _ => self.unknown(),
        }
    }

    fn object(&mut self, node: usize) -> Verdict {
        let Some(count) = self.enter(MAP) else { return Err(Invalid::new(Reason::Object)) };
        let mut properties = Properties::new(self.catalogue, node);
        for _ in 0..count {
            let key = self.key();
            let property = loop {
                let Some(property) = properties.peek() else { break None };
                match order(property.name, key) {
                    Ordering::Less => properties.pass(property)?,
                    Ordering::Equal => {
                        properties.advance();
                        break Some(property);
                    }
                    Ordering::Greater => break None,
                }
            };
            match property {
                Some(property) if property.nullable && self.cursor.peek() == Some(NULL) => {
                    self.cursor.skip();
                }
                Some(property) => {
                    self.value(property.node).map_err(|invalid| at_key(invalid, key))?;
                }
                None => pass_over(&mut self.cursor),
            }
        }
        while let Some(property) = properties.peek() {
            properties.pass(property)?;
        }
        Ok(())
    }

    fn array(&mut self, node: usize) -> Verdict {
        let Some(count) = self.enter(ARRAY) else { return Err(Invalid::new(Reason::Array)) };
        let (items, limits) = (self.catalogue.index(node + 1), self.limits(node, node + 2));
        if let Some(most) = limits.above(count) {
            return Err(Invalid::new(Reason::ManyItems(most)));
        }
        if let Some(least) = limits.below(count) {
            return Err(Invalid::new(Reason::FewItems(least)));
        }
        for index in 0..count {
            self.value(items).map_err(|mut invalid| {
                invalid.way.push(Step::Item(index));
                invalid
            })?;
        }
        Ok(())
    }

    fn union(&mut self, node: usize) -> Verdict {
        let found = type_of(self.cursor.clone()).filter(|found| *found != b"blob");
        let Some(found) = found else { return Err(Invalid::new(Reason::Untyped)) };
        let (catalogue, count) = (self.catalogue, self.catalogue.index(node + 1));
        // A main definition may be called by its full name too.
        let name = found.strip_suffix(b"#main").unwrap_or(found);
        if let Some(variant) = catalogue.find(node + 2, count, name) {
            return self.value(catalogue.index(variant + 2));
        }
        if catalogue.word(node) & flag::CLOSED != 0 {
            let name = |index| format!("lex:{}", catalogue.name(node + 2 + ROW_WORDS * index));
            return Err(Invalid::new(Reason::Variant((0..count).map(name).collect())));
        }
        pass_over(&mut self.cursor);
        Ok(())
    }

    fn unknown(&mut self) -> Verdict {
        let is_map = self.cursor.peek().is_some_and(|initial| initial >> 5 == MAP);
        if !is_map || type_of(self.cursor.clone()) == Some(b"blob") {
            return Err(Invalid::new(Reason::Object));
        }
        pass_over(&mut self.cursor);
        Ok(())
    }

    /// Goes into a container of this kind, if one comes next, and returns how many it holds.
    fn enter(&mut self, major: u8) -> Option<usize> {
        self.cursor.peek().filter(|initial| initial >> 5 == major)?;
        usize::try_from(self.cursor.head().ok()?.value).ok()
    }

    /// Takes the text or bytes that come next, if they do.
    fn take(&mut self, major: u8) -> Option<&'d [u8]> {
        self.cursor.peek().filter(|initial| initial >> 5 == major)?;
        let head = self.cursor.head().ok()?;
        self.cursor.take(head.value).ok()
    }

    fn key(&mut self) -> &'d [u8] {
        self.take(TEXT).unwrap_or_default()
    }
}

/// The properties of an object that have not been met.
pub(super) struct Properties<'c> {
    catalogue: Catalogue<'c>,
    at: usize,
    left: usize,
}

#[derive(Clone, Copy)]
pub(super) struct Property<'c> {
    pub(super) name: &'c [u8],
    pub(super) node: usize,
    required: bool,
    nullable: bool,
}

impl<'c> Properties<'c> {
    pub(super) fn new(catalogue: Catalogue<'c>, object: usize) -> Self {
        Self { catalogue, at: object + 2, left: catalogue.index(object + 1) }
    }

    fn peek(&self) -> Option<Property<'c>> {
        if self.left == 0 {
            return None;
        }
        let length = self.catalogue.word(self.at + 1);
        let bytes = usize::try_from(length & flag::LENGTH).unwrap_or_default();
        Some(Property {
            name: self.catalogue.bytes(self.at, bytes),
            node: self.catalogue.index(self.at + 2),
            required: length & flag::REQUIRED != 0,
            nullable: length & flag::NULLABLE != 0,
        })
    }

    fn advance(&mut self) {
        self.at += ROW_WORDS;
        self.left -= 1;
    }

    pub(super) fn next(&mut self) -> Option<Property<'c>> {
        let property = self.peek()?;
        self.advance();
        Some(property)
    }

    /// Goes on behind a property that the data has not.
    fn pass(&mut self, property: Property<'_>) -> Verdict {
        self.advance();
        if property.required {
            let name = String::from_utf8_lossy(property.name).into_owned();
            return Err(Invalid::new(Reason::Missing(name)));
        }
        Ok(())
    }
}

/// Returns the `$type` of the object that comes next, if it is one and has one.
fn type_of(mut cursor: Cursor<'_>) -> Option<&[u8]> {
    cursor.peek().filter(|initial| initial >> 5 == MAP)?;
    for _ in 0..cursor.head().ok()?.value {
        let key = cursor.head().ok()?;
        if cursor.take(key.value).ok()? == b"$type" {
            let head = cursor.head().ok()?;
            return cursor.take(head.value).ok();
        }
        pass_over(&mut cursor);
    }
    None
}

/// Passes over the value that comes next.
fn pass_over(cursor: &mut Cursor<'_>) {
    let mut left: u64 = 1;
    while left > 0 {
        left -= 1;
        if matches!(cursor.peek(), Some(FALSE | TRUE | NULL)) {
            cursor.skip();
            continue;
        }
        let Ok(Head { major, value, .. }) = cursor.head() else { return };
        left += match major {
            UNSIGNED | NEGATIVE => 0,
            TAG => 1,
            ARRAY => value,
            MAP => 2 * value,
            _ if cursor.take(value).is_err() => return,
            _ => 0,
        };
    }
}

fn at_key(mut invalid: Box<Invalid>, key: &[u8]) -> Box<Invalid> {
    invalid.way.push(Step::Key(String::from_utf8_lossy(key).into_owned()));
    invalid
}
