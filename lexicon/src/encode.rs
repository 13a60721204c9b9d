//! Encodes JSON text as canonical DAG-CBOR in one pass.
//!
//! # Tricky bits
//!
//! The number of members and the order of keys are known only at the end of a container. Its head
//! is therefore a one-byte placeholder that may grow, and the entries of an object are sorted when
//! it ends. The container that ends is always at the end of the output, so offsets in the open
//! containers stay valid.
//!
//! <https://atproto.com/specs/data-model>

mod container;
mod entry;

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::mem;

use cid::Cid;
use nacre_cbor::{
    FALSE, MAX_HEAD_BYTES, Major, NULL, TRUE, write_integer, write_len, write_link, write_text,
};

use self::container::Container;
use self::entry::{Entry, first_of};
use crate::{
    BlobRef, DataError, LegacyBlobRef, MAX_CBOR_BYTES, MAX_DEPTH, MAX_ITEMS, MAX_KEY_BYTES, base64,
    blob_shape::{BlobShape, LegacyShape},
    cbor::scanned_text,
    json::{ScannedText, Scanner},
    link,
    writer::write_blob,
};

/// Encodes a JSON object as canonical DAG-CBOR.
///
/// Sorts keys. `{"$link": …}` becomes a link and `{"$bytes": …}` a byte string. Numbers count by
/// their value, as in JavaScript: `1.0` and `1e2` are integers.
///
/// # Errors
///
/// [`DataError`] names the first rule broken.
pub fn to_cbor(json: &str) -> Result<Vec<u8>, DataError> {
    let encoded = encode(json, None, None)?;
    if encoded.bytes.len() > MAX_CBOR_BYTES { Err(DataError::TooLarge) } else { Ok(encoded.bytes) }
}

/// The output of [`encode`].
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) blobs: Vec<BlobRef>,
    /// The first legacy blob reference that was not upgraded.
    pub(crate) legacy_blob: Option<Cid>,
    /// The outermost `$type`, if it differs from the expected one.
    pub(crate) other_type: Option<String>,
}

/// Returns the size of a blob, or `None` if it is unknown.
pub(crate) type SizeOf<'a> = &'a mut dyn FnMut(&mut LegacyBlobRef) -> Option<u64>;

/// Encodes an object. Adds `root_type` as its `$type` if it has none. Upgrades legacy blob
/// references whose size `size_of` knows.
pub(crate) fn encode<'a>(
    json: &'a str,
    root_type: Option<&'a str>,
    size_of: Option<SizeOf<'a>>,
) -> Result<Encoded, DataError> {
    let mut encoder = Encoder {
        input: Scanner::new(json)?,
        root_type,
        size_of,
        found: Encoded {
            bytes: Vec::with_capacity(json.len() + SPARE_BYTES),
            ..Encoded::default()
        },
        current: Container::OUTSIDE,
        outer: Vec::with_capacity(8),
        entries: Vec::with_capacity(32),
        scratch: Vec::new(),
        sorted: Vec::new(),
    };
    encoder.run()?;
    Ok(encoder.found)
}

struct Encoder<'a> {
    input: Scanner<'a>,
    root_type: Option<&'a str>,
    size_of: Option<SizeOf<'a>>,
    found: Encoded,
    /// The innermost open container.
    current: Container,
    /// The containers around it, outermost first. Empty if no container is open.
    outer: Vec<Container>,
    /// The entries of all open objects, those of the innermost last.
    entries: Vec<Entry>,
    /// Scratch space for unescaping a string.
    scratch: Vec<u8>,
    /// Scratch space for sorting an object's entries.
    sorted: Vec<u8>,
}

impl Encoder<'_> {
    fn run(&mut self) -> Result<(), DataError> {
        match self.input.peek() {
            Some(b'{') => self.open(true)?,
            Some(b'"' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                return Err(DataError::NotObject);
            }
            _ => return Err(self.input.syntax()),
        }
        while !self.outer.is_empty() {
            let Container { is_object, len, .. } = self.current;
            if self.input.eat(if is_object { b'}' } else { b']' }) {
                self.close()?;
                continue;
            }
            if len > 0 {
                self.input.expect(b',')?;
            }
            if len == MAX_ITEMS {
                return Err(DataError::Items);
            }
            self.current.len += 1;
            if is_object && self.entry()? {
                continue;
            }
            self.value()?;
        }
        if self.input.is_at_end() { Ok(()) } else { Err(DataError::Trailing) }
    }

    /// Encodes a scalar, or opens a container.
    fn value(&mut self) -> Result<(), DataError> {
        let out = &mut self.found.bytes;
        match self.input.peek() {
            Some(b'"') => scanned_text(out, self.input.string(&mut self.scratch)?),
            Some(b'-' | b'0'..=b'9') => write_integer(out, self.input.integer()?),
            Some(b'{') => self.open(true)?,
            Some(b'[') => self.open(false)?,
            Some(b't') => {
                self.input.literal("true")?;
                out.push(TRUE);
            }
            Some(b'f') => {
                self.input.literal("false")?;
                out.push(FALSE);
            }
            Some(b'n') => {
                self.input.literal("null")?;
                out.push(NULL);
            }
            _ => return Err(self.input.syntax()),
        }
        Ok(())
    }

    fn open(&mut self, is_object: bool) -> Result<(), DataError> {
        if self.outer.len() == MAX_DEPTH {
            return Err(DataError::Depth);
        }
        self.input.expect(if is_object { b'{' } else { b'[' })?;
        let container = Container {
            is_object,
            start: self.found.bytes.len(),
            first_entry: self.entries.len(),
            ..Container::OUTSIDE
        };
        self.outer.push(mem::replace(&mut self.current, container));
        // A placeholder for the head, which suffices for up to 23 members.
        self.found.bytes.push(0);
        Ok(())
    }

    /// Encodes a key. Returns whether the value is already encoded too: that of `$type`, or the
    /// value that a `$link` or `$bytes` object stands for.
    fn entry(&mut self) -> Result<bool, DataError> {
        let key = self.input.string(&mut self.scratch)?;
        if key.len == 0 || key.len > MAX_KEY_BYTES {
            return Err(DataError::KeyLength);
        }
        let mut is_type = false;
        match key.bytes() {
            b"$bytes" => return self.special_object(DataError::Bytes, push_bytes).map(|()| true),
            b"$link" => return self.special_object(DataError::Link, push_link).map(|()| true),
            b"$type" => is_type = true,
            b"cid" => self.current.has_cid = true,
            _ => {}
        }
        push_key(key, &mut self.found.bytes, &mut self.entries, &mut self.current);
        self.input.expect(b':')?;
        if is_type {
            self.type_value()?;
        }
        Ok(is_type)
    }

    fn type_value(&mut self) -> Result<(), DataError> {
        if self.input.peek() != Some(b'"') {
            return Err(DataError::Type);
        }
        let text = self.input.string(&mut self.scratch)?;
        if text.len == 0 {
            return Err(DataError::Type);
        }
        let is_other = |expected: &str| expected.as_bytes() != text.bytes();
        if self.outer.len() == 1 && self.root_type.is_some_and(is_other) {
            self.found.other_type = Some(text.text().to_owned());
        }
        self.current.has_type = true;
        self.current.is_blob = text.bytes() == b"blob";
        scanned_text(&mut self.found.bytes, text);
        Ok(())
    }

    /// Replaces a `$link` or `$bytes` object, whose key was just read, by its value.
    fn special_object(
        &mut self,
        error: DataError,
        push: fn(&str, &mut Vec<u8>) -> Option<()>,
    ) -> Result<(), DataError> {
        // The outermost value stays an object.
        if self.outer.len() == 1 {
            return Err(DataError::NotObject);
        }
        if self.current.len > 1 {
            return Err(error);
        }
        self.input.expect(b':')?;
        if self.input.peek() != Some(b'"') {
            return Err(error);
        }
        let text = self.input.string(&mut self.scratch)?.text();
        self.found.bytes.truncate(self.current.start);
        push(text, &mut self.found.bytes).ok_or(error)?;
        self.leave();
        if self.input.eat(b'}') { Ok(()) } else { Err(error) }
    }

    fn close(&mut self) -> Result<(), DataError> {
        let Container { is_object, start, first_entry, .. } = self.current;
        if !is_object {
            fill_head(&mut self.found.bytes, start, Major::Array, self.current.len);
            self.leave();
            return Ok(());
        }
        if let Some(root_type) = self.root_type
            && self.outer.len() == 1
            && !self.current.has_type
        {
            let out = &mut self.found.bytes;
            push_key(ScannedText::of("$type"), out, &mut self.entries, &mut self.current);
            write_text(out, root_type);
            self.current.len += 1;
        }
        if !self.current.is_sorted {
            self.sort()?;
        }
        self.entries.truncate(first_entry);
        fill_head(&mut self.found.bytes, start, Major::Map, self.current.len);
        self.record_blob()?;
        self.leave();
        Ok(())
    }

    fn leave(&mut self) {
        self.current = self.outer.pop().expect("a container is inside of another, or outside");
    }

    /// Moves an object's entries into canonical order.
    fn sort(&mut self) -> Result<(), DataError> {
        let Container { start, first_entry, .. } = self.current;
        let out = &mut self.found.bytes;
        let entries = &mut self.entries[first_entry..];
        let mut end = out.len();
        for entry in entries.iter_mut().rev() {
            entry.end = mem::replace(&mut end, entry.start);
        }
        if let [a, b] = entries {
            // Two entries out of order are in order when swapped.
            if a.order(b, out).is_eq() {
                return Err(DataError::DuplicateKey);
            }
            out[start + 1..].rotate_left(b.start - a.start);
            return Ok(());
        }
        entries.sort_unstable_by(|a, b| a.order(b, out));
        if entries.windows(2).any(|pair| pair[0].order(&pair[1], out).is_eq()) {
            return Err(DataError::DuplicateKey);
        }
        self.sorted.clear();
        self.sorted.reserve(out.capacity());
        if start == 0 {
            // The outermost object has nothing before it but its head.
            self.sorted.push(0);
        }
        for entry in entries {
            self.sorted.extend_from_slice(&out[entry.start..entry.end]);
        }
        if start == 0 {
            mem::swap(out, &mut self.sorted);
        } else {
            out.truncate(start + 1);
            out.extend_from_slice(&self.sorted);
        }
        Ok(())
    }

    fn record_blob(&mut self) -> Result<(), DataError> {
        let map = &self.found.bytes[self.current.start..];
        // Flags decide, because reading back bytes that were just written is slow.
        if self.current.is_blob {
            self.found.blobs.push(BlobShape::parse(map).ok_or(DataError::Blob)?.into());
        } else if self.current.has_cid
            && let Some(legacy) = LegacyShape::parse(map)
        {
            let legacy = LegacyBlobRef::from(legacy);
            self.upgrade_legacy_blob(legacy);
        }
        Ok(())
    }

    /// Replaces the object that ends here, a legacy blob reference, by the current form.
    #[cold]
    fn upgrade_legacy_blob(&mut self, mut legacy: LegacyBlobRef) {
        let size = self.size_of.as_mut().and_then(|size_of| size_of(&mut legacy));
        let LegacyBlobRef { cid, mime_type } = legacy;
        let mut typed = Vec::new();
        match size.map(|size| BlobRef { cid, mime_type, size }) {
            // A reference that the writer rejects, such as a type without a slash, is not upgraded.
            Some(blob) if write_blob(&mut typed, &blob).is_ok() => {
                self.found.bytes.truncate(self.current.start);
                self.found.bytes.extend_from_slice(&typed);
                self.found.blobs.push(blob);
            }
            _ => self.found.legacy_blob = self.found.legacy_blob.or(Some(cid)),
        }
    }
}

/// Appends a key and records its entry.
#[inline]
fn push_key(
    key: ScannedText<'_>,
    out: &mut Vec<u8>,
    entries: &mut Vec<Entry>,
    object: &mut Container,
) {
    let start = out.len();
    scanned_text(out, key);
    let entry = Entry { first: first_of(key), start, key_end: out.len(), end: out.len() };
    if let Some(before) = entries[object.first_entry..].last() {
        object.is_sorted &= before.order(&entry, out).is_lt();
    }
    entries.push(entry);
}

fn push_bytes(text: &str, out: &mut Vec<u8>) -> Option<()> {
    write_len(out, Major::Bytes, base64::decoded_len(text)?);
    base64::decode(text, out)
}

fn push_link(text: &str, out: &mut Vec<u8>) -> Option<()> {
    write_link(out, &link::parse(text)?);
    Some(())
}

/// Replaces the placeholder of a container's head, and moves the content if the head is longer.
fn fill_head(out: &mut Vec<u8>, start: usize, major: Major, len: usize) {
    if let Ok(len @ 0..24) = u8::try_from(len) {
        out[start] = major.bits() | len;
        return;
    }
    let mut head = Vec::with_capacity(MAX_HEAD_BYTES);
    write_len(&mut head, major, len);
    out.splice(start..=start, head);
}

/// Spare capacity for the bytes that [`scanned_text`] copies and truncates.
const SPARE_BYTES: usize = 48;
