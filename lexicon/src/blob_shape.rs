//! Blob references, parsed from canonical DAG-CBOR without copying.
//!
//! <https://atproto.com/specs/data-model#blob-type>

use cid::Cid;

use crate::{
    cbor::{Cursor, TEXT, Text, UNSIGNED},
    link::Link,
};

/// A borrowed [`BlobRef`](crate::BlobRef).
pub(crate) struct BlobShape<'a> {
    link: Link,
    /// UTF-8.
    pub(crate) mime_type: &'a [u8],
    pub(crate) size: u64,
}

impl<'a> BlobShape<'a> {
    /// Parses a canonical map whose `$type` is `blob`.
    pub(crate) fn parse(map: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(map);
        Self::take(&mut cursor).filter(|_| cursor.is_at_end())
    }

    /// Parses the next canonical map, if it is a blob.
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

/// A borrowed [`LegacyBlobRef`](crate::LegacyBlobRef).
pub(crate) struct LegacyShape<'a> {
    pub(crate) link: Link,
    pub(crate) mime_type: &'a str,
}

impl<'a> LegacyShape<'a> {
    /// Parses a canonical map without the `$type` of a blob.
    pub(crate) fn parse(map: &'a [u8]) -> Option<Self> {
        let mut rest = Cursor::new(map.strip_prefix(b"\xa2\x63cid")?);
        let link = Link::parse_text(text(&mut rest)?)?;
        rest.take_these(b"\x68mimeType")?;
        let mime_type = text(&mut rest)?;
        rest.is_at_end().then_some(Self { link, mime_type })
    }
}

fn text<'a, T: Text<'a>>(rest: &mut Cursor<'a>) -> Option<T> {
    let head = rest.head().ok().filter(|head| head.major == TEXT)?;
    rest.text(head.value).ok()
}
