//! Blob references in any stored record, inside or outside the data model.

use alloc::{borrow::Cow, string::String, vec::Vec};

use cid::Cid;
use nacre_cbor::Link;

use super::reader::{Event, Key, Scalar, Walk, check_well_formed};
use crate::{
    BlobRef, CborError, LegacyBlobRef, MAX_INTEGER,
    blob_shape::LegacyShape,
    decode::{self, walk},
    link,
};

/// A blob reference in a stored record, in the current or the legacy form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferencedBlob {
    /// The CID of the blob's bytes: a CIDv1 of raw or DAG-CBOR bytes with a SHA-256 hash.
    pub cid: Cid,
    /// The MIME type, if it is text with a `/`.
    pub mime_type: Option<String>,
    /// The size in bytes, if it is an integer from 0 to [`MAX_INTEGER`]. The legacy form has none.
    pub size: Option<u64>,
}

/// Returns the blob references in a stored record of any CBOR, in the order of its bytes.
///
/// For a record within the data model, the result is that of [`blobs`](crate::blobs). Otherwise
/// these count as references:
///
/// - a map whose `$type` is `blob` and whose `ref` is a link, the text of a CID, or an object
///   `{"$link": …}` with that text; other keys may be missing, invalid or additional
/// - a map with exactly the keys `cid`, the text of a CID, and `mimeType`, text
///
/// The last of equal keys counts. Returns nothing for bytes that are not CBOR.
#[must_use]
pub fn referenced_blobs(cbor: &[u8]) -> Vec<ReferencedBlob> {
    let mut found = Vec::new();
    let strict = walk(cbor, |event: decode::Event<'_, &[u8]>| {
        if let decode::Event::MapEnd(map, blob) = event {
            let legacy = || LegacyShape::parse(map).map(LegacyBlobRef::from);
            found.extend(
                blob.map(BlobRef::from).map(Into::into).or_else(|| legacy().map(Into::into)),
            );
        }
    });
    if strict.is_ok() { found } else { loose(cbor).unwrap_or_default() }
}

impl From<BlobRef> for ReferencedBlob {
    fn from(blob: BlobRef) -> Self {
        let BlobRef { cid, mime_type, size } = blob;
        Self { cid, mime_type: Some(mime_type), size: Some(size) }
    }
}

impl From<LegacyBlobRef> for ReferencedBlob {
    fn from(blob: LegacyBlobRef) -> Self {
        let LegacyBlobRef { cid, mime_type } = blob;
        Self { cid, mime_type: Some(mime_type).filter(|text| text.contains('/')), size: None }
    }
}

fn loose(cbor: &[u8]) -> Result<Vec<ReferencedBlob>, CborError> {
    check_well_formed(cbor)?;
    let mut finder = Finder::default();
    let mut walk = Walk::new(cbor);
    while let Some(event) = walk.step()? {
        finder.see(event);
    }
    Ok(finder.found)
}

#[derive(Default)]
struct Finder<'a> {
    found: Vec<ReferencedBlob>,
    /// The open containers, with a candidate for each map.
    open: Vec<Option<Candidate<'a>>>,
}

/// A map that may turn out to be a blob reference.
#[derive(Default)]
struct Candidate<'a> {
    entries: usize,
    /// The key whose value comes next.
    key: Option<Name>,
    is_blob: bool,
    reference: Option<Link>,
    mime_type: Option<Cow<'a, str>>,
    size: Option<u64>,
    cid: Option<Link>,
    json_link: Option<Link>,
}

/// The keys of blob references.
#[derive(Clone, Copy)]
enum Name {
    Cid,
    JsonLink,
    MimeType,
    Ref,
    Size,
    Type,
}

/// A value, reduced to the kinds that occur in blob references.
enum Value<'a> {
    Link(Link),
    Other,
    Size(u64),
    Text(Cow<'a, [u8]>),
}

impl<'a> Finder<'a> {
    fn see(&mut self, event: Event<'a>) {
        match event {
            Event::Array => {
                self.value(Value::Other);
                self.open.push(None);
            }
            Event::ArrayEnd => drop(self.open.pop()),
            Event::Key(key) => {
                if let Some(Some(map)) = self.open.last_mut() {
                    map.begin_entry(&key);
                }
            }
            Event::Link(content) => {
                let link = content.strip_prefix(&[0]).and_then(Link::from_bytes);
                self.value(link.map_or(Value::Other, Value::Link));
            }
            Event::Map => self.open.push(Some(Candidate::default())),
            Event::MapEnd => {
                if let Some(Some(map)) = self.open.pop() {
                    self.value(map.json_link().map_or(Value::Other, Value::Link));
                    self.found.extend(map.into_blob());
                }
            }
            Event::Scalar(Scalar::Text(text)) => self.value(Value::Text(text)),
            Event::Scalar(Scalar::Unsigned(value)) => self.value(Value::Size(value)),
            Event::Scalar(_) => self.value(Value::Other),
        }
    }

    fn value(&mut self, value: Value<'a>) {
        if let Some(Some(map)) = self.open.last_mut() {
            map.end_entry(value);
        }
    }
}

impl<'a> Candidate<'a> {
    fn begin_entry(&mut self, key: &Key<'_>) {
        self.entries += 1;
        let Key::Text(text) = key else {
            self.key = None;
            return;
        };
        self.key = match text.as_ref() {
            b"$link" => Some(Name::JsonLink),
            b"$type" => Some(Name::Type),
            b"cid" => Some(Name::Cid),
            b"mimeType" => Some(Name::MimeType),
            b"ref" => Some(Name::Ref),
            b"size" => Some(Name::Size),
            _ => None,
        };
    }

    fn end_entry(&mut self, value: Value<'a>) {
        match self.key.take() {
            None => {}
            Some(Name::Cid) => self.cid = value.text_link(),
            Some(Name::JsonLink) => self.json_link = value.text_link(),
            Some(Name::MimeType) => self.mime_type = value.text(),
            Some(Name::Ref) => {
                self.reference = match value {
                    Value::Link(link) => Some(link),
                    value => value.text_link(),
                };
            }
            Some(Name::Size) => {
                self.size = match value {
                    Value::Size(size) if size <= MAX_INTEGER.cast_unsigned() => Some(size),
                    _ => None,
                };
            }
            Some(Name::Type) => self.is_blob = value.text().is_some_and(|text| text == "blob"),
        }
    }

    /// Returns the link if this map is `{"$link": …}`.
    fn json_link(&self) -> Option<Link> {
        self.json_link.filter(|_| self.entries == 1)
    }

    fn into_blob(self) -> Option<ReferencedBlob> {
        let has_slash = |text: &Cow<'_, str>| text.contains('/');
        if self.is_blob {
            let mime_type = self.mime_type.filter(has_slash).map(Cow::into_owned);
            return Some(ReferencedBlob {
                cid: self.reference?.to_cid(),
                mime_type,
                size: self.size,
            });
        }
        let (cid, mime_type) = (self.cid?.to_cid(), self.mime_type?);
        let mime_type = Some(mime_type).filter(has_slash).map(Cow::into_owned);
        (self.entries == 2).then_some(ReferencedBlob { cid, mime_type, size: None })
    }
}

impl<'a> Value<'a> {
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(Cow::Borrowed(text)) => core::str::from_utf8(text).ok().map(Cow::Borrowed),
            Self::Text(Cow::Owned(text)) => String::from_utf8(text).ok().map(Cow::Owned),
            _ => None,
        }
    }

    fn text_link(self) -> Option<Link> {
        link::parse(&self.text()?)
    }
}
