//! Validates DAG-CBOR against compiled schemas.
//!
//! # Tricky bits
//!
//! One pass checks both the data model and the schema. Data outside the data model fails in this
//! pass, but perhaps with a schema error, so a second pass finds the actual error.
//!
//! Properties of the schema and keys of the data have the same order, so an object takes one pass
//! over both. The path to an error is built while the error returns, so valid data does not pay for
//! it.

mod leaf;

use alloc::{borrow::ToOwned, boxed::Box, format, string::String};
use core::cmp::Ordering;

use nacre_cbor::{FALSE, Head, Major, NULL, Reader, TRUE};

use crate::blob_shape::BlobShape;
use crate::decode::{check, check_key, check_value, key, open, type_value};
use crate::schema::invalid::{Invalid, Reason, Step};
use crate::schema::layout::{ROW_WORDS, flag, kind, order};
use crate::schema::words::{Words, index};
use crate::{DataError, MAX_DEPTH, MAX_ITEMS, ReferencedBlob, utf8::is_utf8};

pub(super) type Validation = Result<(), Box<Invalid>>;

/// Validates data against a node.
pub(super) fn validate(words: Words<'_>, node: usize, cbor: &[u8]) -> Validation {
    validate_by(words, cbor, &[], |validator| validator.value(node))
}

/// Validates a record against the object node of its collection. Blobs that are `kept` may have any
/// type and size.
pub(super) fn validate_record(
    words: Words<'_>,
    object: usize,
    collection: &str,
    cbor: &[u8],
    kept: &[ReferencedBlob],
) -> Validation {
    validate_by(words, cbor, kept, |validator| validator.record(object, collection))
}

fn validate_by<'c, 'd>(
    words: Words<'c>,
    cbor: &'d [u8],
    kept: &'d [ReferencedBlob],
    by: impl FnOnce(&mut Validator<'c, 'd>) -> Validation,
) -> Validation {
    let reader = open(cbor).map_err(not_data)?;
    let mut validator = Validator { words, reader, kept, depth: 0 };
    let verdict = by(&mut validator);
    if verdict.is_ok() && validator.reader.is_at_end() {
        return Ok(());
    }
    check(cbor).map_err(not_data)?;
    verdict
}

/// Data that is being validated.
struct Validator<'c, 'd> {
    words: Words<'c>,
    reader: Reader<'d>,
    /// Blob references that may have any type and size.
    kept: &'d [ReferencedBlob],
    /// The number of containers around the next value.
    depth: usize,
}

impl<'d> Validator<'_, 'd> {
    fn record(&mut self, object: usize, collection: &str) -> Validation {
        let record = self.reader;
        let verdict = self.object(object);
        if verdict.as_ref().is_ok_and(|found| *found == Some(collection.as_bytes())) {
            return Ok(());
        }
        // A wrong `$type` is reported before any other error.
        if type_of(record) != Some(collection.as_bytes()) {
            let reason = Reason::Const(collection.to_owned());
            return Err(at_key(Invalid::new(reason), b"$type"));
        }
        verdict.map(drop)
    }

    /// Validates the next value. Recurses into it, at most [`MAX_DEPTH`] levels.
    fn value(&mut self, node: usize) -> Validation {
        match self.words.word(node) & 0xff {
            kind::ARRAY => self.array(node),
            kind::BLOB => self.blob(node),
            kind::BOOLEAN => self.boolean(node),
            kind::BYTES => self.bytes(node),
            kind::INTEGER => self.integer(node),
            kind::LINK => self.link(),
            kind::OBJECT => self.object(node).map(drop),
            kind::TEXT => self.text(node),
            kind::UNION => self.union(node),
            _ => self.unknown(),
        }
    }

    /// Validates an object, and returns its `$type`.
    fn object(&mut self, node: usize) -> Result<Option<&'d [u8]>, Box<Invalid>> {
        let start = self.reader.offset();
        let Some(count) = self.enter(Major::Map) else { return Err(Invalid::new(Reason::Object)) };
        let mut properties = Properties::new(self.words, node);
        let (mut before, mut found): (&[u8], Option<&[u8]>) = (b"", None);
        for _ in 0..count {
            let name = key(&mut self.reader).map_err(not_data)?;
            let property = properties.advance_to(name)?;
            if property.is_none() {
                // Only unknown keys need this check: `properties` ensures the order of known ones.
                let _: &[u8] = check_key(name, before, &self.reader).map_err(not_data)?;
            }
            before = name;
            let mut behind = self.reader;
            if name == b"$type" {
                found = Some(type_value(&mut behind).map_err(not_data)?);
            }
            match property {
                Some(property) if property.nullable && self.reader.peek() == Some(NULL) => {
                    self.reader.skip_byte();
                }
                Some(property) => {
                    self.value(property.node).map_err(|invalid| at_key(invalid, name))?;
                }
                None if name == b"$type" => self.reader = behind,
                None => self.any()?,
            }
        }
        properties.end()?;
        if found.is_some_and(|found| found == b"blob")
            && BlobShape::parse(self.reader.since(start)).is_none()
        {
            return Err(not_data(DataError::Blob));
        }
        self.depth -= 1;
        Ok(found)
    }

    fn array(&mut self, node: usize) -> Validation {
        let Some(count) = self.enter(Major::Array) else { return Err(Invalid::new(Reason::Array)) };
        let (items, limits) = (self.words.index(node + 1), self.limits(node, node + 2));
        if let Some(most) = limits.above(count) {
            return Err(Invalid::new(Reason::ManyItems(most)));
        }
        if let Some(least) = limits.below(count) {
            return Err(Invalid::new(Reason::FewItems(least)));
        }
        for index in 0..count {
            self.value(items).map_err(|mut invalid| {
                invalid.steps.push(Step::Item(index));
                invalid
            })?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn union(&mut self, node: usize) -> Validation {
        let found = type_of(self.reader).filter(|found| *found != b"blob");
        let Some(found) = found else { return Err(Invalid::new(Reason::Untyped)) };
        let (words, count) = (self.words, self.words.index(node + 1));
        // `#main` may be added to the name of a main definition.
        let name = found.strip_suffix(b"#main").unwrap_or(found);
        if let Some(variant) = words.find(node + 2, count, name) {
            return self.value(words.index(variant + 2));
        }
        if words.word(node) & flag::CLOSED != 0 {
            let name = |index| format!("lex:{}", words.name(node + 2 + ROW_WORDS * index));
            return Err(Invalid::new(Reason::Variant((0..count).map(name).collect())));
        }
        self.any()
    }

    fn unknown(&mut self) -> Validation {
        let is_map = self.reader.peek().is_some_and(|initial| Major::of(initial) == Major::Map);
        if !is_map || type_of(self.reader) == Some(b"blob") {
            return Err(Invalid::new(Reason::Object));
        }
        self.any()
    }

    /// Takes a value without a schema.
    fn any(&mut self) -> Validation {
        if self.reader.peek().is_some_and(|initial| Major::of(initial) == Major::Text) {
            return match self.take(Major::Text) {
                Some(text) if is_utf8(text) => Ok(()),
                _ => Err(Invalid::new(Reason::Text)),
            };
        }
        check_value(&mut self.reader, self.depth).map_err(not_data)
    }

    /// Enters the next container and returns its number of items. Returns `None` if none of this
    /// kind and within the limits comes next.
    #[inline]
    fn enter(&mut self, major: Major) -> Option<usize> {
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let count = usize::try_from(self.reader.head_of(major).ok()?).ok()?;
        (count <= MAX_ITEMS).then_some(count)
    }

    /// Takes the next text or bytes. Returns `None` if another kind of value comes next.
    #[inline]
    fn take(&mut self, major: Major) -> Option<&'d [u8]> {
        let len = self.reader.head_of(major).ok()?;
        self.reader.take(len).ok()
    }
}

/// The properties of an object that are still to come.
pub(super) struct Properties<'c> {
    words: Words<'c>,
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
    pub(super) fn new(words: Words<'c>, object: usize) -> Self {
        Self { words, at: object + 2, left: words.index(object + 1) }
    }

    #[inline]
    fn peek(&self) -> Option<Property<'c>> {
        if self.left == 0 {
            return None;
        }
        let [start, length, node] = self.words.row(self.at);
        Some(Property {
            name: self.words.bytes(start, length & flag::LENGTH),
            node: index(node),
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

    /// Advances to the property of this name, past those that the data lacks. Returns `None` if the
    /// schema has no such property.
    #[inline]
    fn advance_to(&mut self, name: &[u8]) -> Result<Option<Property<'c>>, Box<Invalid>> {
        while let Some(property) = self.peek() {
            match order(property.name, name) {
                Ordering::Less => self.skip(property)?,
                Ordering::Equal => {
                    self.advance();
                    return Ok(Some(property));
                }
                Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    /// Advances past all remaining properties, which the data lacks.
    fn end(&mut self) -> Validation {
        while let Some(property) = self.peek() {
            self.skip(property)?;
        }
        Ok(())
    }

    /// Advances past a property that the data lacks.
    fn skip(&mut self, property: Property<'_>) -> Validation {
        self.advance();
        if property.required {
            let name = String::from_utf8_lossy(property.name).into_owned();
            return Err(Invalid::new(Reason::Missing(name)));
        }
        Ok(())
    }
}

/// Returns the `$type` of the next value, if it is an object that has one.
fn type_of(mut reader: Reader<'_>) -> Option<&[u8]> {
    for _ in 0..reader.head_of(Major::Map).ok()? {
        let key = reader.head().ok()?;
        if reader.take(key.argument).ok()? == b"$type" {
            let head = reader.head().ok()?;
            return reader.take(head.argument).ok();
        }
        skip_value(&mut reader);
    }
    None
}

/// Skips the next value, or part of it if it is malformed.
fn skip_value(reader: &mut Reader<'_>) {
    let mut left: u64 = 1;
    while left > 0 {
        left -= 1;
        if matches!(reader.peek(), Some(FALSE | TRUE | NULL)) {
            reader.skip_byte();
            continue;
        }
        let Ok(Head { major, argument, .. }) = reader.head() else { return };
        // Saturates, because a container may claim any number of items.
        left = left.saturating_add(match major {
            Major::Unsigned | Major::Negative => 0,
            Major::Tag => 1,
            Major::Array => argument,
            Major::Map => argument.saturating_mul(2),
            _ if reader.take(argument).is_err() => return,
            _ => 0,
        });
    }
}

fn not_data(error: DataError) -> Box<Invalid> {
    Invalid::new(Reason::Data(error))
}

fn at_key(mut invalid: Box<Invalid>, key: &[u8]) -> Box<Invalid> {
    invalid.steps.push(Step::Key(String::from_utf8_lossy(key).into_owned()));
    invalid
}
