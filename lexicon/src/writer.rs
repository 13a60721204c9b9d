//! Writes DAG-CBOR piece by piece, for those who have the data in Rust and not as JSON.
//!
//! # Tricky bits
//!
//! What may come next is a matter of types. How much may come is counted twice: each container
//! knows what it may still take, so that none takes too much, and all of them share the number of
//! values that are missing. So if none is missing in the end, none was missing anywhere.
//!
//! <https://atproto.com/specs/data-model#dag-cbor>

use alloc::vec::Vec;
use core::mem;

use cid::Cid;

use crate::{
    BlobRef, DataError, EncodeError, MAX_CBOR_BYTES, MAX_DEPTH, MAX_INTEGER, MAX_ITEMS,
    MAX_KEY_BYTES,
    cbor::{self, ARRAY, BYTES, MAP},
    link::Link,
};

/// Writes an object of so many keys behind what `out` holds, as canonical DAG-CBOR.
///
/// What passes here passes [`check`](crate::check); otherwise `out` is left as it was. How many
/// keys and items there are is said first because that is what DAG-CBOR says first. If `write`
/// panics, `out` is empty.
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
/// The first fault: [`EncodeError::Excess`] or [`EncodeError::Incomplete`] if the numbers are not
/// right, and [`EncodeError::Data`] if a rule of the data model is broken.
#[inline]
pub fn write_object(
    out: &mut Vec<u8>,
    len: usize,
    write: impl FnOnce(&mut ObjectWriter<'_>),
) -> Result<(), EncodeError> {
    write_value(out, |value| write(&mut value.object(len)))
}

/// Writes a blob reference behind what `out` holds.
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
    /// How many keys may still come.
    left: usize,
    /// The length of the key written last, and where it ends.
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
        // No key is empty, so the first one is in order after "".
        if key.len() <= self.key_len {
            self.compare(key);
        }
        self.left = self.output.one_less(self.left);
        cbor::key(&mut self.output.bytes, key);
        self.key_len = key.len();
        self.key_end = self.output.bytes.len();
        ValueWriter { output: self.output, depth: self.depth, is_type: key == "$type" }
    }

    /// Compares a key with one before it that is at least as long.
    #[inline]
    fn compare(&mut self, key: &str) {
        if key.len() < self.key_len {
            return self.output.fail(DataError::KeyOrder);
        }
        let before = self.output.bytes.get(self.key_end - self.key_len..self.key_end);
        let mut pairs = before.unwrap_or_default().iter().zip(key.as_bytes());
        match pairs.find(|(before, key)| before != key) {
            Some((before, key)) if before < key => {}
            Some(_) => self.output.fail(DataError::KeyOrder),
            None => self.output.fail(DataError::DuplicateKey),
        }
    }
}

/// Writes the items of an array.
#[derive(Debug)]
pub struct ArrayWriter<'a> {
    output: &'a mut Output,
    depth: usize,
    /// How many items may still come.
    left: usize,
}

impl ArrayWriter<'_> {
    /// Begins the next item.
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
    /// How many containers the value is in.
    depth: usize,
    /// Whether the value is that of `$type`.
    is_type: bool,
}

impl<'a> ValueWriter<'a> {
    /// Writes text. The value of `$type` must not be empty, nor `blob`: see [`blob`](Self::blob).
    #[inline]
    pub fn text(self, text: &str) {
        if self.is_type {
            match text {
                "" => self.output.fail(DataError::Type),
                "blob" => self.output.fail(DataError::Blob),
                _ => {}
            }
        }
        cbor::text(&mut self.output.bytes, text);
        self.output.end_value();
    }

    /// Writes bytes.
    #[inline]
    pub fn bytes(self, bytes: &[u8]) {
        let output = self.not_type();
        cbor::head_for_len(&mut output.bytes, BYTES, bytes.len());
        output.bytes.extend_from_slice(bytes);
        output.end_value();
    }

    /// Writes an integer, which must be within ±[`MAX_INTEGER`].
    #[inline]
    pub fn integer(self, value: i64) {
        let output = self.not_type();
        if !(-MAX_INTEGER..=MAX_INTEGER).contains(&value) {
            output.fail(DataError::Integer);
        }
        cbor::integer(&mut output.bytes, value);
        output.end_value();
    }

    /// Writes `true` or `false`.
    #[inline]
    pub fn bool(self, value: bool) {
        let output = self.not_type();
        output.bytes.push(if value { cbor::TRUE } else { cbor::FALSE });
        output.end_value();
    }

    /// Writes `null`.
    #[inline]
    pub fn null(self) {
        let output = self.not_type();
        output.bytes.push(cbor::NULL);
        output.end_value();
    }

    /// Writes a link, which must be a CIDv1 of raw or DAG-CBOR bytes with a SHA-256 hash.
    #[inline]
    pub fn link(self, cid: &Cid) {
        let output = self.not_type();
        match Link::of(cid) {
            Some(link) => cbor::link(&mut output.bytes, &link),
            None => output.fail(DataError::Link),
        }
        output.end_value();
    }

    /// Writes a reference to a blob, which is an object.
    pub fn blob(self, blob: &BlobRef) {
        if !blob.mime_type.contains('/') {
            self.output.fail(DataError::Blob);
        }
        let mut object = self.object(4);
        object.key("ref").link(&blob.cid);
        object.key("size").integer(i64::try_from(blob.size).unwrap_or(i64::MAX));
        // The only way to this type, so that it cannot be of another shape.
        let mut type_value = object.key("$type");
        type_value.is_type = false;
        type_value.text("blob");
        object.key("mimeType").text(&blob.mime_type);
    }

    /// Begins an object of so many keys.
    #[inline]
    pub fn object(self, len: usize) -> ObjectWriter<'a> {
        let depth = self.depth + 1;
        ObjectWriter { output: self.open(MAP, len), depth, left: len, key_len: 0, key_end: 0 }
    }

    /// Begins an array of so many items.
    #[inline]
    pub fn array(self, len: usize) -> ArrayWriter<'a> {
        let depth = self.depth + 1;
        ArrayWriter { output: self.open(ARRAY, len), depth, left: len }
    }

    #[inline]
    fn open(self, major: u8, len: usize) -> &'a mut Output {
        if self.depth >= MAX_DEPTH {
            self.output.fail(DataError::Depth);
        }
        if len > MAX_ITEMS {
            self.output.fail(DataError::Items);
        }
        let output = self.not_type();
        cbor::head_for_len(&mut output.bytes, major, len);
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

/// What all writers of one object write to. After a fault it is of no more use.
#[derive(Debug)]
struct Output {
    bytes: Vec<u8>,
    /// How many values were announced and not written.
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
