//! The subset of DAG-CBOR that commits use.

use alloc::vec::Vec;

use cid::Cid;
use cid::multihash::Multihash;
use sha2::{Digest as _, Sha256};

/// Returns the CID of a DAG-CBOR block.
pub(crate) fn cid_of(block: &[u8]) -> Cid {
    cid_from(&Sha256::digest(block).into())
}

/// Writes the head of a map of fewer than 24 entries.
pub(crate) fn write_map(out: &mut Vec<u8>, entries: u8) {
    out.push(MAP | entries);
}

pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    write_head(out, TEXT, text.len());
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_head(out, BYTES, bytes.len());
    out.extend_from_slice(bytes);
}

/// Writes an integer below 24.
pub(crate) fn write_small(out: &mut Vec<u8>, value: u8) {
    out.push(value);
}

/// Writes a link. CIDs of trees and commits are DAG-CBOR and SHA-256. Any other CID is written
/// unchanged and rejected by readers.
pub(crate) fn write_link(out: &mut Vec<u8>, cid: Option<&Cid>) {
    let Some(cid) = cid else {
        out.push(NULL);
        return;
    };
    let cid = cid.to_bytes();
    out.extend_from_slice(&TAG_LINK);
    write_head(out, BYTES, cid.len() + 1);
    out.push(0);
    out.extend_from_slice(&cid);
}

/// Writes a head in its shortest form. The texts of a commit have at most 2,048 bytes.
fn write_head(out: &mut Vec<u8>, major: u8, length: usize) {
    let length = u16::try_from(length).expect("the parts of a commit are shorter than 2^16");
    match length.to_be_bytes() {
        [0, low @ 0..=23] => out.push(major | low),
        [0, low] => out.extend_from_slice(&[major | 24, low]),
        [high, low] => out.extend_from_slice(&[major | 25, high, low]),
    }
}

/// A reader of canonical bytes. Each method returns `None` if something else comes next.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the number of bytes left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn map(&mut self) -> Option<u8> {
        let head = self.byte()?;
        matches!(head, 0xa0..=0xb7).then_some(head & 0x1f)
    }

    /// Reads this map key. Returns `None` for another one.
    pub(crate) fn key(&mut self, name: &str) -> Option<()> {
        (self.text()? == name).then_some(())
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.head(TEXT)?;
        core::str::from_utf8(self.take(length)?).ok()
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.head(BYTES)?;
        self.take(length)
    }

    /// Reads an integer below 24.
    pub(crate) fn small(&mut self) -> Option<u8> {
        self.byte().filter(|byte| *byte < 24)
    }

    pub(crate) fn link_or_null(&mut self) -> Option<Option<Cid>> {
        if let Some(rest) = self.rest.strip_prefix(&[NULL]) {
            self.rest = rest;
            return Some(None);
        }
        self.link().map(Some)
    }

    /// Reads a link to a DAG-CBOR block with a SHA-256 hash.
    pub(crate) fn link(&mut self) -> Option<Cid> {
        let rest = self.rest.strip_prefix(&TAG_LINK)?.strip_prefix(&CID_START)?;
        let (digest, rest) = rest.split_first_chunk()?;
        self.rest = rest;
        Some(cid_from(digest))
    }

    fn head(&mut self, major: u8) -> Option<usize> {
        let head = self.byte()?;
        if head & 0xe0 != major {
            return None;
        }
        match head & 0x1f {
            small @ 0..=23 => Some(usize::from(small)),
            24 => self.byte().filter(|length| *length > 23).map(usize::from),
            25 => {
                let length = u16::from_be_bytes([self.byte()?, self.byte()?]);
                (length > 255).then_some(usize::from(length))
            }
            _ => None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

fn cid_from(digest: &[u8; 32]) -> Cid {
    let hash = Multihash::wrap(0x12, digest).expect("a multihash holds up to 64 bytes");
    Cid::new_v1(0x71, hash)
}

const BYTES: u8 = 0x40;
const TEXT: u8 = 0x60;
const MAP: u8 = 0xa0;
const NULL: u8 = 0xf6;
const TAG_LINK: [u8; 2] = [0xd8, 0x2a];
/// A byte string of 37: the identity multibase, CIDv1, DAG-CBOR, SHA-256, 32 bytes.
const CID_START: [u8; 7] = [0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20];
