//! Blob references inside of data, in the present form and in the old one.
//!
//! Both are recognised by their canonical bytes, so what JSON gave and what CBOR gave take one way.
//!
//! <https://atproto.com/specs/data-model#blob-type>

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use cid::Cid;

use crate::{
    DataError,
    cbor::{Cursor, TEXT, Text, UNSIGNED},
    decode::{Event, walk},
    link::Link,
};

/// A reference to a blob.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BlobRef {
    /// The hash of the blob's bytes.
    pub cid: Cid,
    /// What the blob is said to be; has a `/`.
    pub mime_type: String,
    /// How many bytes the blob is said to have.
    pub size: u64,
}

/// A blob reference in the form without `$type`, which old records still hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LegacyBlobRef {
    /// The hash of the blob's bytes.
    pub cid: Cid,
    /// What the blob is said to be.
    pub mime_type: String,
}

/// The blob references of one record, in the order of the record's bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Blobs {
    /// References in the old form.
    pub legacy: Vec<LegacyBlobRef>,
    /// References in the present form.
    pub typed: Vec<BlobRef>,
}

/// Returns the blob references in DAG-CBOR, which is checked on the way.
///
/// # Errors
///
/// Those of [`check`](crate::check).
pub fn blobs(cbor: &[u8]) -> Result<Blobs, DataError> {
    let mut found = Blobs::default();
    walk(cbor, |event: Event<'_, &[u8]>| match event {
        Event::MapEnd(_, Some(blob)) => found.typed.push(blob.into()),
        Event::MapEnd(map, None) => {
            found.legacy.extend(LegacyShape::parse(map).map(LegacyBlobRef::from));
        }
        _ => {}
    })?;
    Ok(found)
}

/// A borrowed [`BlobRef`].
pub(crate) struct BlobShape<'a> {
    link: Link,
    /// UTF-8.
    pub(crate) mime_type: &'a [u8],
    pub(crate) size: u64,
}

impl<'a> BlobShape<'a> {
    /// Parses a canonical map that says that it is a blob.
    pub(crate) fn parse(map: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(map);
        Self::take(&mut cursor).filter(|_| cursor.is_at_end())
    }

    /// Parses the canonical map that comes next, if it is a blob.
    pub(crate) fn take(rest: &mut Cursor<'a>) -> Option<Self> {
        rest.take_these(b"\xa4\x63ref")?;
        let link = rest.link().ok()?;
        rest.take_these(b"\x64size")?;
        let size = rest.head().ok().filter(|head| head.major == UNSIGNED)?.integer().ok()?;
        rest.take_these(b"\x65$type\x64blob\x68mimeType")?;
        let mime_type: &[u8] = text(rest)?;
        if !mime_type.contains(&b'/') {
            return None;
        }
        Some(Self { link, mime_type, size: size.cast_unsigned() })
    }

    pub(crate) fn cid(&self) -> Cid {
        self.link.to_cid()
    }
}

impl From<BlobShape<'_>> for BlobRef {
    fn from(blob: BlobShape<'_>) -> Self {
        let mime_type = String::from_utf8_lossy(blob.mime_type).into_owned();
        Self { cid: blob.link.to_cid(), mime_type, size: blob.size }
    }
}

/// A borrowed [`LegacyBlobRef`].
pub(crate) struct LegacyShape<'a> {
    pub(crate) link: Link,
    mime_type: &'a str,
}

impl<'a> LegacyShape<'a> {
    /// Parses a canonical map that does not say that it is a blob.
    pub(crate) fn parse(map: &'a [u8]) -> Option<Self> {
        let mut rest = Cursor::new(map.strip_prefix(b"\xa2\x63cid")?);
        let link = Link::parse_text(text(&mut rest)?)?;
        rest.take_these(b"\x68mimeType")?;
        let mime_type = text(&mut rest)?;
        rest.is_at_end().then_some(Self { link, mime_type })
    }
}

impl From<LegacyShape<'_>> for LegacyBlobRef {
    fn from(blob: LegacyShape<'_>) -> Self {
        Self { cid: blob.link.to_cid(), mime_type: blob.mime_type.to_owned() }
    }
}

fn text<'a, T: Text<'a>>(rest: &mut Cursor<'a>) -> Option<T> {
    let head = rest.head().ok().filter(|head| head.major == TEXT)?;
    rest.text(head.value).ok()
}
