//! Blob references, parsed from canonical DAG-CBOR without copying.
//!
//! <https://atproto.com/specs/data-model#blob-type>

use cid::Cid;

use nacre_cbor::{Link, Major, Reader};

use crate::cbor::{self, Text, integer};
use crate::link;

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
        let mut reader = Reader::new(map);
        Self::take(&mut reader).filter(|_| reader.is_at_end())
    }

    /// Parses the next canonical map, if it is a blob.
    pub(crate) fn take(rest: &mut Reader<'a>) -> Option<Self> {
        if !rest.eat(b"\xa4\x63ref") {
            return None;
        }
        let link = rest.link().ok()?;
        if !rest.eat(b"\x64size") {
            return None;
        }
        let head = rest.head().ok().filter(|head| head.major == Major::Unsigned)?;
        let size = integer(head).ok()?;
        if !rest.eat(b"\x65$type\x64blob\x68mimeType") {
            return None;
        }
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
        let mut rest = Reader::new(map.strip_prefix(b"\xa2\x63cid")?);
        let link = link::parse(text(&mut rest)?)?;
        if !rest.eat(b"\x68mimeType") {
            return None;
        }
        let mime_type = text(&mut rest)?;
        rest.is_at_end().then_some(Self { link, mime_type })
    }
}

fn text<'a, T: Text<'a>>(rest: &mut Reader<'a>) -> Option<T> {
    let len = rest.head_of(Major::Text).ok()?;
    cbor::text(rest, len).ok()
}
