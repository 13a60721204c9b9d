//! The parts of a CAR (lengths, header, blocks), read from a slice that may be incomplete.
//!
//! Specification: <https://ipld.io/specs/transport/car/carv1/>

use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::{self as cbor, CID_BYTES, CidStart, Link, starts_with_cid};

use crate::error::CarError;

/// The largest header, in bytes. It has room for 99 roots.
pub const MAX_HEADER_BYTES: usize = 4 * 1024;

/// The largest block, in bytes, without its CID.
pub const MAX_BLOCK_BYTES: usize = 2 * 1024 * 1024;

/// A block and its CID.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Block<'a> {
    /// The CID: version 1, SHA-256, and DAG-CBOR or raw.
    pub cid: Cid,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// The position of a block in a CAR, or in a part of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// The offset of its length.
    pub(crate) start: usize,
    /// The offset of its CID.
    body: usize,
    pub(crate) end: usize,
}

impl Frame {
    /// Reads the block at `start` without hashing it. Returns `None` if the input ends within it.
    pub(crate) fn read(input: &[u8], start: usize) -> Result<Option<Self>, CarError> {
        Self::read_up_to(MAX_BLOCK_BYTES, input, start)
    }

    /// Like [`Self::read`], with another size limit.
    pub(crate) fn read_up_to(
        limit: usize,
        input: &[u8],
        start: usize,
    ) -> Result<Option<Self>, CarError> {
        let rest = input.get(start..).unwrap_or_default();
        let limit = limit.saturating_add(CID_BYTES);
        let Some((prefix, body)) = read_frame(rest, limit, CarError::BlockSize)? else {
            return Ok(None);
        };
        if !starts_with_cid(body) {
            return Err(CarError::Cid);
        }
        let start_of_body = start + prefix;
        Ok(Some(Self { start, body: start_of_body, end: start_of_body + body.len() }))
    }

    /// Returns the CID in its binary form.
    pub(crate) fn cid(self, input: &[u8]) -> &[u8] {
        &input[self.body..self.body + CID_BYTES]
    }

    /// Returns whether the block has this CID.
    pub(crate) fn has_cid(self, input: &[u8], start: &CidStart, digest: &[u8; 32]) -> bool {
        self.digest(input) == digest && self.cid(input).starts_with(start)
    }

    /// Returns the digest in the CID.
    pub(crate) fn digest(self, input: &[u8]) -> &[u8] {
        &input[self.body + CID_START..self.body + CID_BYTES]
    }

    pub(crate) fn bytes(self, input: &[u8]) -> &[u8] {
        &input[self.body + CID_BYTES..self.end]
    }

    pub(crate) fn block(self, input: &[u8]) -> Block<'_> {
        let link = Link::from_bytes(self.cid(input)).expect("read() has checked the CID");
        Block { cid: link.to_cid(), bytes: self.bytes(input) }
    }
}

/// Reads the header. Returns the roots and the length of the header, or `None` if the input ends
/// within it.
pub(crate) fn read_header(input: &[u8]) -> Result<Option<(Vec<Cid>, usize)>, CarError> {
    let framed = read_frame(input, MAX_HEADER_BYTES, CarError::HeaderSize)?;
    framed.map(|(prefix, body)| Ok((parse_header(body)?, prefix + body.len()))).transpose()
}

/// Reads a length and as many bytes. Returns the size of the length, and the bytes. Checks the
/// length before the bytes are available.
fn read_frame(
    input: &[u8],
    limit: usize,
    too_large: CarError,
) -> Result<Option<(usize, &[u8])>, CarError> {
    let Some((length, prefix)) = read_varint(input)? else { return Ok(None) };
    let length = usize::try_from(length).ok().filter(|&length| length <= limit).ok_or(too_large)?;
    Ok(input.get(prefix..prefix + length).map(|body| (prefix, body)))
}

/// Reads an unsigned varint. Returns its value and its size.
fn read_varint(input: &[u8]) -> Result<Option<(u64, usize)>, CarError> {
    let mut value = 0;
    for (index, byte) in input.iter().take(MAX_VARINT_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let shortest = *byte != 0 || index == 0;
            return if shortest { Ok(Some((value, index + 1))) } else { Err(CarError::Varint) };
        }
    }
    if input.len() < MAX_VARINT_BYTES { Ok(None) } else { Err(CarError::Varint) }
}

fn parse_header(body: &[u8]) -> Result<Vec<Cid>, CarError> {
    let mut reader = cbor::Reader::new(body);
    if !reader.eat(&HEADER_START) {
        return Err(CarError::Header);
    }
    let count = reader.array().map_err(|_| CarError::Header)?;
    let mut roots = Vec::new();
    for _ in 0..count {
        roots.push(reader.cid().map_err(|_| CarError::Header)?);
    }
    if reader.rest() == HEADER_END { Ok(roots) } else { Err(CarError::Header) }
}

/// The number of bytes of a CID before its digest.
pub(crate) const CID_START: usize = CID_BYTES - 32;

const MAX_VARINT_BYTES: usize = 9;

/// The map of two, and the key `roots`.
pub(crate) const HEADER_START: [u8; 7] = [0xa2, 0x65, b'r', b'o', b'o', b't', b's'];
/// The key `version`, and 1.
pub(crate) const HEADER_END: [u8; 9] = [0x67, b'v', b'e', b'r', b's', b'i', b'o', b'n', 0x01];
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_must_have_the_shortest_form() {
        assert_eq!(read_varint(&[0x00]), Ok(Some((0, 1))));
        assert_eq!(read_varint(&[0x7f, 0xff]), Ok(Some((127, 1))));
        assert_eq!(read_varint(&[0x80, 0x01]), Ok(Some((128, 2))));
        assert_eq!(read_varint(&[0x80, 0x00]), Err(CarError::Varint));
        assert_eq!(read_varint(&[0xff, 0x80, 0x00]), Err(CarError::Varint));
    }

    #[test]
    fn varints_have_at_most_nine_bytes() {
        let mut longest = [0xff; 9];
        longest[8] = 0x7f;
        assert_eq!(read_varint(&longest), Ok(Some(((1 << 63) - 1, 9))));
        assert_eq!(read_varint(&[0xff; 9]), Err(CarError::Varint));
        assert_eq!(read_varint(&[0xff; 8]), Ok(None));
        assert_eq!(read_varint(&[]), Ok(None));
    }
}
