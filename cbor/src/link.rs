//! Links: CIDs with tag 42, of the kinds that AT Protocol allows.
//!
//! Specifications: <https://ipld.io/specs/codecs/dag-cbor/spec/#links>,
//! <https://atproto.com/specs/data-model#link-and-cid-formats>

use cid::multihash::Multihash;
use cid::{Cid, Version};

use crate::{LINK_START, LINK_TAG, Major, ReadError, Reader};

/// The length of a CID that a link may have: version, codec, hash function, hash length, hash.
pub const CID_BYTES: usize = 36;

/// The bytes of a CID before its hash.
pub type CidStart = [u8; 4];

/// The target of a link: a CIDv1 of raw or DAG-CBOR bytes with a SHA-256 hash.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Link([u8; CID_BYTES]);

impl Link {
    /// The length of a link as a CBOR item: the tag, the head of a byte string, the identity
    /// multibase, and the CID.
    pub const ITEM_BYTES: usize = ITEM_START.len() + CID_BYTES;

    /// Parses the bytes of a CID. Returns `None` for any kind of CID that a link may not have.
    #[must_use]
    pub fn from_bytes(cid: &[u8]) -> Option<Self> {
        match cid {
            [1, RAW | DAG_CBOR, SHA_256, 32, ..] => cid.try_into().ok().map(Self),
            _ => None,
        }
    }

    /// Returns the link to this CID, or `None` for any kind of CID that a link may not have.
    #[must_use]
    pub fn of(cid: &Cid) -> Option<Self> {
        let (start, digest) = split_cid(cid)?;
        let mut bytes = [0; CID_BYTES];
        let (first, hash) = bytes.split_first_chunk_mut()?;
        *first = *start;
        hash.copy_from_slice(digest);
        Some(Self(bytes))
    }

    /// Returns the bytes of the CID.
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; CID_BYTES] {
        &self.0
    }

    /// Returns the CID.
    #[inline]
    #[must_use]
    pub fn to_cid(&self) -> Cid {
        let [_, codec, _, _, digest @ ..] = &self.0;
        cid_of(*codec, digest)
    }

    /// Returns the link as a CBOR item.
    #[inline]
    #[must_use]
    pub fn to_item(&self) -> [u8; Self::ITEM_BYTES] {
        let mut item = [0; Self::ITEM_BYTES];
        let (start, cid) = item.split_at_mut(ITEM_START.len());
        start.copy_from_slice(&ITEM_START);
        cid.copy_from_slice(&self.0);
        item
    }
}

impl<'a> Reader<'a> {
    /// Reads a link with its tag.
    ///
    /// # Errors
    ///
    /// Those of [`Self::head_of`]. [`ReadError::Tag`] for another tag, and [`ReadError::Link`] for
    /// any other kind of CID.
    #[inline(always)]
    pub fn link(&mut self) -> Result<Link, ReadError> {
        self.link_bytes().map(|cid| Link(*cid)).ok_or_else(|| self.link_error())
    }

    /// Reads a link with its tag as a CID, without a copy of its bytes in between.
    ///
    /// # Errors
    ///
    /// Those of [`Self::link`].
    #[inline]
    pub fn cid(&mut self) -> Result<Cid, ReadError> {
        match self.link_bytes() {
            Some([_, codec, _, _, digest @ ..]) => Ok(cid_of(*codec, digest)),
            None => Err(self.link_error()),
        }
    }

    /// Reads a link to a DAG-CBOR block and returns the SHA-256 of the block.
    ///
    /// # Errors
    ///
    /// Those of [`Self::link`].
    #[inline(always)]
    pub fn digest(&mut self) -> Result<&'a [u8; 32], ReadError> {
        if let Some((start, rest)) = self.rest().split_first_chunk()
            && let Some((digest, rest)) = rest.split_first_chunk()
            && *start == LINK_START
        {
            self.advance_to(rest);
            return Ok(digest);
        }
        Err(self.link_error())
    }

    /// Reads a link and returns the bytes of its CID. Returns `None` for anything else.
    #[inline(always)]
    fn link_bytes(&mut self) -> Option<&'a [u8; CID_BYTES]> {
        let (item, rest) = self.rest().split_first_chunk::<{ Link::ITEM_BYTES }>()?;
        let (start, cid) = item.split_last_chunk::<CID_BYTES>()?;
        match cid.first_chunk()? {
            [1, RAW | DAG_CBOR, SHA_256, 32] if start == ITEM_START => {
                self.advance_to(rest);
                Some(cid)
            }
            _ => None,
        }
    }

    /// Returns why the next item is not a link.
    #[cold]
    fn link_error(mut self) -> ReadError {
        let at = self.offset();
        let read = |reader: &mut Self| match reader.head_of(Major::Tag)? {
            LINK_TAG => reader.bytes().map(|_| ()),
            _ => Err(ReadError::Tag(at)),
        };
        match read(&mut self) {
            // The content of the tag is at fault, whichever type it has.
            Ok(()) => ReadError::Link(at),
            Err(ReadError::Type(place)) if place > at => ReadError::Link(at),
            Err(error) => error,
        }
    }
}

/// Returns whether these bytes start with a CID that a link may have.
#[inline]
#[must_use]
pub fn starts_with_cid(bytes: &[u8]) -> bool {
    matches!(bytes, [1, RAW | DAG_CBOR, SHA_256, 32, rest @ ..] if rest.len() >= 32)
}

/// Splits a CID into its constant start and its hash. Returns `None` for any kind of CID that a
/// link may not have.
#[must_use]
pub fn split_cid(cid: &Cid) -> Option<(&'static CidStart, &[u8; 32])> {
    let hash = cid.hash();
    if cid.version() != Version::V1 || hash.code() != u64::from(SHA_256) {
        return None;
    }
    let start = STARTS.iter().find(|[_, codec, ..]| u64::from(*codec) == cid.codec())?;
    Some((start, hash.digest().try_into().ok()?))
}

/// Returns the CID with this codec and SHA-256 hash.
#[inline]
pub(crate) fn cid_of(codec: u8, digest: &[u8; 32]) -> Cid {
    let hash = Multihash::wrap(u64::from(SHA_256), digest);
    Cid::new_v1(u64::from(codec), hash.expect("a multihash holds up to 64 bytes"))
}

const RAW: u8 = 0x55;
pub(crate) const DAG_CBOR: u8 = 0x71;
const SHA_256: u8 = 0x12;

const STARTS: [CidStart; 2] = [[1, DAG_CBOR, SHA_256, 32], [1, RAW, SHA_256, 32]];

/// Tag 42, a byte string of 37, and the identity multibase.
pub(crate) const ITEM_START: [u8; 5] = [0xd8, 0x2a, 0x58, 0x25, 0x00];
