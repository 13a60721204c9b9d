//! A writer of DAG-CBOR for data that exists as Rust values.
//!
//! # Tricky bits
//!
//! Types determine what may come next. Counts are checked twice: each container counts down the
//! members that it may still take, so that none takes too many, and all containers share the number
//! of missing values. If that is 0 at the end, no container is incomplete.
//!
//! <https://atproto.com/specs/data-model#dag-cbor>

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::mem;

use cid::Cid;
use nacre_cbor::{
    Link, Major, compare_keys, write_bool, write_bytes, write_integer, write_key, write_len,
    write_link, write_null, write_text,
};

use crate::{
    BlobRef, DataError, EncodeError, MAX_CBOR_BYTES, MAX_DEPTH, MAX_INTEGER, MAX_ITEMS,
    MAX_KEY_BYTES,
};

/// Appends an object of `len` keys to `out` as canonical DAG-CBOR.
///
/// The result passes [`check`](crate::check). After an error `out` is unchanged, and after a panic
/// of `write` it is empty. Numbers of keys and items come first because DAG-CBOR encodes them
/// first.
///
/// ```
/// use nacre_lexicon::write_object;
///
/// let mut bytes = Vec::new();
/// write_object(&mut bytes, 3, |note| {
///     note.key("text").text("hello");
///     note.key("$type").text("com.example.note");
///     let mut langs = note.key("langs").array(2);
///     langs.item().text("en");
///     langs.item().text("de");
/// })?;
/// # Ok::<(), nacre_lexicon::EncodeError>(())
/// ```
///
/// # Errors
///
/// The first error: [`EncodeError::Excess`] or [`EncodeError::Incomplete`] if a number is wrong, or
/// [`EncodeError::Data`] if the data breaks a rule of the data model.
#[inline]
pub fn write_object(
    out: &mut Vec<u8>,
    len: usize,
    write: impl FnOnce(&mut ObjectWriter<'_>),
) -> Result<(), EncodeError> {
    write_value(out, |value| write(&mut value.object(len)))
}

/// Appends a blob reference to `out`.
pub(crate) fn write_blob(out: &mut Vec<u8>, blob: &BlobRef) -> Result<(), EncodeError> {
    write_value(out, |value| value.blob(blob))
}

#[inline]
fn write_value(out: &mut Vec<u8>, write: impl FnOnce(ValueWriter<'_>)) -> Result<(), EncodeError> {
    let start = out.len();
    let mut output = Output { bytes: mem::take(out), missing: 1, fault: None };
    write(ValueWriter { output: &mut output, depth: 0, is_type: false });
    let Output { bytes, missing, fault } = output;
    *out = bytes;
    let fault = fault
        .or_else(|| (missing > 0).then_some(EncodeError::Incomplete))
        .or_else(|| (out.len() - start > MAX_CBOR_BYTES).then_some(DataError::TooLarge.into()));
    match fault {
        None => Ok(()),
        Some(fault) => {
            out.truncate(start);
            Err(fault)
        }
    }
}

/// Writes the keys of an object in canonical order: by length, then by bytes.
#[derive(Debug)]
pub struct ObjectWriter<'a> {
    output: &'a mut Output,
    depth: usize,
    /// The number of keys that may still come.
    left: usize,
    /// The length and the end of the last key.
    key_len: usize,
    key_end: usize,
}

impl ObjectWriter<'_> {
    /// Writes a key, whose value must follow.
    #[inline(always)]
    pub fn key(&mut self, key: &str) -> ValueWriter<'_> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            self.output.fail(DataError::KeyLength);
        }
        if matches!(key, "$link" | "$bytes") {
            self.output.fail(DataError::ReservedKey);
        }
        // The first key is compared with "", because no key is empty.
        if key.len() <= self.key_len {
            self.compare(key);
        }
        self.left = self.output.one_less(self.left);
        write_key(&mut self.output.bytes, key);
        self.key_len = key.len();
        self.key_end = self.output.bytes.len();
        ValueWriter { output: self.output, depth: self.depth, is_type: key == "$type" }
    }

    /// Compares a key with the one before it, which is at least as long.
    #[inline]
    fn compare(&mut self, key: &str) {
        let before = self.output.bytes.get(self.key_end - self.key_len..self.key_end);
        match compare_keys(before.unwrap_or_default(), key.as_bytes()) {
            Ordering::Less => {}
            Ordering::Equal => self.output.fail(DataError::DuplicateKey),
            Ordering::Greater => self.output.fail(DataError::KeyOrder),
        }
    }
}

/// Writes the items of an array.
#[derive(Debug)]
pub struct ArrayWriter<'a> {
    output: &'a mut Output,
    depth: usize,
    /// The number of items that may still come.
    left: usize,
}

impl ArrayWriter<'_> {
    /// Starts the next item.
    #[inline]
    pub fn item(&mut self) -> ValueWriter<'_> {
        self.left = self.output.one_less(self.left);
        ValueWriter { output: self.output, depth: self.depth, is_type: false }
    }
}

/// Writes one value, which may be an object or an array.
#[derive(Debug)]
#[must_use = "the value is missing"]
pub struct ValueWriter<'a> {
    output: &'a mut Output,
    /// The number of containers around the value.
    depth: usize,
    /// Whether this is the value of `$type`.
    is_type: bool,
}

impl<'a> ValueWriter<'a> {
    /// Writes text. The value of `$type` must be neither empty nor `blob`: use
    /// [`blob`](Self::blob).
    #[inline]
    pub fn text(self, text: &str) {
        if self.is_type {
            match text {
                "" => self.output.fail(DataError::Type),
                "blob" => self.output.fail(DataError::Blob),
                _ => {}
            }
        }
        write_text(&mut self.output.bytes, text);
        self.output.end_value();
    }

    /// Writes bytes.
    #[inline]
    pub fn bytes(self, bytes: &[u8]) {
        let output = self.not_type();
        write_bytes(&mut output.bytes, bytes);
        output.end_value();
    }

    /// Writes an integer, which must be within ±[`MAX_INTEGER`].
    #[inline]
    pub fn integer(self, value: i64) {
        let output = self.not_type();
        if !(-MAX_INTEGER..=MAX_INTEGER).contains(&value) {
            output.fail(DataError::Integer);
        }
        write_integer(&mut output.bytes, value);
        output.end_value();
    }

    /// Writes `true` or `false`.
    #[inline]
    pub fn bool(self, value: bool) {
        let output = self.not_type();
        write_bool(&mut output.bytes, value);
        output.end_value();
    }

    /// Writes `null`.
    #[inline]
    pub fn null(self) {
        let output = self.not_type();
        write_null(&mut output.bytes);
        output.end_value();
    }

    /// Writes a link, which must be a CIDv1 of raw or DAG-CBOR bytes with a SHA-256 hash.
    #[inline]
    pub fn link(self, cid: &Cid) {
        let output = self.not_type();
        match Link::of(cid) {
            Some(link) => write_link(&mut output.bytes, &link),
            None => output.fail(DataError::Link),
        }
        output.end_value();
    }

    /// Writes a blob reference, which is an object.
    pub fn blob(self, blob: &BlobRef) {
        if !blob.mime_type.contains('/') {
            self.output.fail(DataError::Blob);
        }
        let mut object = self.object(4);
        object.key("ref").link(&blob.cid);
        object.key("size").integer(i64::try_from(blob.size).unwrap_or(i64::MAX));
        // Only this method may write `blob`, so that every blob has its shape.
        let mut type_value = object.key("$type");
        type_value.is_type = false;
        type_value.text("blob");
        object.key("mimeType").text(&blob.mime_type);
    }

    /// Starts an object of `len` keys.
    #[inline]
    pub fn object(self, len: usize) -> ObjectWriter<'a> {
        let depth = self.depth + 1;
        ObjectWriter {
            output: self.open(Major::Map, len),
            depth,
            left: len,
            key_len: 0,
            key_end: 0,
        }
    }

    /// Starts an array of `len` items.
    #[inline]
    pub fn array(self, len: usize) -> ArrayWriter<'a> {
        let depth = self.depth + 1;
        ArrayWriter { output: self.open(Major::Array, len), depth, left: len }
    }

    #[inline]
    fn open(self, major: Major, len: usize) -> &'a mut Output {
        if self.depth >= MAX_DEPTH {
            self.output.fail(DataError::Depth);
        }
        if len > MAX_ITEMS {
            self.output.fail(DataError::Items);
        }
        let output = self.not_type();
        write_len(&mut output.bytes, major, len);
        output.end_value();
        output.missing = output.missing.saturating_add(len);
        output
    }

    #[inline]
    fn not_type(self) -> &'a mut Output {
        if self.is_type {
            self.output.fail(DataError::Type);
        }
        self.output
    }
}

/// The shared output of all writers. Its bytes are discarded after a fault.
#[derive(Debug)]
struct Output {
    bytes: Vec<u8>,
    /// The number of announced values that are not written yet.
    missing: usize,
    fault: Option<EncodeError>,
}

impl Output {
    #[inline]
    fn end_value(&mut self) {
        self.missing = self.missing.wrapping_sub(1);
    }

    #[inline]
    fn one_less(&mut self, left: usize) -> usize {
        left.checked_sub(1).unwrap_or_else(|| {
            self.fail(EncodeError::Excess);
            0
        })
    }

    #[cold]
    fn fail(&mut self, fault: impl Into<EncodeError>) {
        let fault = fault.into();
        self.fault.get_or_insert(fault);
    }
}
