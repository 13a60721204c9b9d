//! Links of the data model: a CIDv1 of raw or DAG-CBOR bytes with a SHA-256 hash.
//!
//! The text form is lower-case base32 after the multibase prefix `b`.
//!
//! <https://atproto.com/specs/data-model#link-and-cid-formats>

use alloc::vec::Vec;

use cid::{Cid, Version};
use multihash::Multihash;

/// The bytes of a link's CID, without the multibase prefix of tag 42.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Link([u8; LEN]);

impl Link {
    pub(crate) const LEN: usize = LEN;

    /// The length of a link in DAG-CBOR.
    pub(crate) const ITEM_LEN: usize = ITEM_PREFIX.len() + LEN;

    /// Parses the bytes of a CID. Returns `None` if the data model does not allow the link.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [1, 0x55 | 0x71, 0x12, 32, ..] => bytes.try_into().ok().map(Self),
            _ => None,
        }
    }

    /// Parses a DAG-CBOR item. Returns `None` if it is not a link that the data model allows.
    #[inline(always)]
    pub(crate) fn parse_item(item: &[u8; Self::ITEM_LEN]) -> Option<Self> {
        let (prefix, cid) = item.split_last_chunk::<LEN>()?;
        match cid.first_chunk()? {
            [1, 0x55 | 0x71, 0x12, 32] if prefix == ITEM_PREFIX => Some(Self(*cid)),
            _ => None,
        }
    }

    /// Returns the link to this CID, or `None` if the data model does not allow it.
    #[inline]
    pub(crate) fn of(cid: &Cid) -> Option<Self> {
        let codec = match (cid.version(), cid.codec(), cid.hash().code()) {
            (Version::V1, 0x55, 0x12) => 0x55,
            (Version::V1, 0x71, 0x12) => 0x71,
            _ => return None,
        };
        let digest: &[u8; 32] = cid.hash().digest().try_into().ok()?;
        let mut bytes = [0; Self::LEN];
        let (prefix, hash) = bytes.split_first_chunk_mut()?;
        *prefix = [1, codec, 0x12, 32];
        hash.copy_from_slice(digest);
        Some(Self(bytes))
    }

    /// Parses the text of a CID, or returns `None` if such a link may not occur.
    pub(crate) fn parse_text(text: &str) -> Option<Self> {
        if text.len() != TEXT_LEN {
            return None;
        }
        let mut bytes = [0; Self::LEN];
        let mut slots = bytes.iter_mut();
        let (mut buffer, mut bits) = (0_u32, 0_u32);
        for &symbol in text.as_bytes().strip_prefix(b"b")? {
            let value = match symbol {
                b'a'..=b'z' => symbol - b'a',
                b'2'..=b'7' => symbol - b'2' + 26,
                _ => return None,
            };
            buffer = (buffer << 5) | u32::from(value);
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                *slots.next()? = low_byte(buffer >> bits);
                buffer &= (1 << bits) - 1;
            }
        }
        // The two spare bits must be zero, so that a link has only one text form.
        if buffer != 0 {
            return None;
        }
        Self::parse(&bytes)
    }

    /// Returns the DAG-CBOR item.
    pub(crate) fn to_item(self) -> [u8; Self::ITEM_LEN] {
        let mut item = [0; Self::ITEM_LEN];
        let (prefix, cid) = item.split_at_mut(ITEM_PREFIX.len());
        prefix.copy_from_slice(&ITEM_PREFIX);
        cid.copy_from_slice(&self.0);
        item
    }

    pub(crate) fn to_cid(self) -> Cid {
        Cid::read_bytes(self.0.as_slice()).expect("a link's bytes are those of a CID")
    }

    /// Appends the text form.
    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        out.push(b'b');
        let (mut buffer, mut bits) = (0_u32, 0_u32);
        for &byte in &self.0 {
            buffer = (buffer << 8) | u32::from(byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                out.push(symbol(buffer >> bits));
            }
            buffer &= (1 << bits) - 1;
        }
        // 288 bits are 57 symbols of five bits and one of three.
        out.push(symbol(buffer << (5 - bits)));
    }
}

/// Returns the CID of DAG-CBOR with this SHA-256 hash.
pub(crate) fn dag_cbor_cid(digest: &[u8; 32]) -> Cid {
    let hash = Multihash::wrap(0x12, digest).expect("32 bytes fit into a multihash of 64");
    Cid::new_v1(0x71, hash)
}

fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

fn symbol(value: u32) -> u8 {
    let value = low_byte(value & 31);
    if value < 26 { b'a' + value } else { b'2' + (value - 26) }
}

/// Version, codec, hash function, hash length and hash.
const LEN: usize = 36;

/// Tag 42, a byte string of 37 bytes, and the multibase prefix that opens it.
const ITEM_PREFIX: [u8; 5] = [0xd8, 42, 0x58, 37, 0];

/// The multibase prefix and 58 symbols.
const TEXT_LEN: usize = 59;
