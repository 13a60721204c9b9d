//! The parts of a CAR: lengths, header, blocks. Reading them from a slice that may end too early.
//!
//! Specification: <https://ipld.io/specs/transport/car/carv1/>

use alloc::vec::Vec;

use cid::Cid;
use cid::multihash::Multihash;
use sha2::{Digest as _, Sha256};

use crate::error::CarError;

/// The largest header, enough for 99 roots.
pub const MAX_HEADER_BYTES: usize = 4 * 1024;

/// The largest block, its CID not counted.
pub const MAX_BLOCK_BYTES: usize = 2 * 1024 * 1024;

/// A block and its CID.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Block<'a> {
    /// The CID: version 1, SHA-256, and DAG-CBOR or raw.
    pub cid: Cid,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl Block<'_> {
    /// Checks that the bytes have the hash that the CID says.
    ///
    /// # Errors
    ///
    /// [`CarError::Hash`] if they have not.
    pub fn check_hash(&self) -> Result<(), CarError> {
        if Sha256::digest(self.bytes).as_slice() == self.cid.hash().digest() {
            Ok(())
        } else {
            Err(CarError::Hash(self.cid))
        }
    }
}

/// Reads the header and what it occupies, or `None` if the input ends within it.
pub(crate) fn read_header(input: &[u8]) -> Result<Option<(Vec<Cid>, usize)>, CarError> {
    let framed = read_frame(input, MAX_HEADER_BYTES, CarError::HeaderSize)?;
    framed.map(|(body, used)| Ok((parse_header(body)?, used))).transpose()
}

/// Reads a block and what it occupies, or `None` if the input ends within it. Does not hash.
pub(crate) fn read_block(input: &[u8]) -> Result<Option<(Block<'_>, usize)>, CarError> {
    let framed = read_frame(input, CID_BYTES + MAX_BLOCK_BYTES, CarError::BlockSize)?;
    let Some((body, used)) = framed else { return Ok(None) };
    let (cid, bytes) = split_cid(body).ok_or(CarError::Cid)?;
    Ok(Some((Block { cid, bytes }, used)))
}

/// Reads a length and as many bytes. The length is judged before the bytes are waited for.
fn read_frame(
    input: &[u8],
    limit: usize,
    too_large: CarError,
) -> Result<Option<(&[u8], usize)>, CarError> {
    let Some((length, prefix)) = read_varint(input)? else { return Ok(None) };
    let length = usize::try_from(length).ok().filter(|&length| length <= limit).ok_or(too_large)?;
    let end = prefix + length;
    Ok(input.get(prefix..end).map(|body| (body, end)))
}

/// Reads an unsigned varint and what it occupies.
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
    let rest = body.strip_prefix(&HEADER_START).ok_or(CarError::Header)?;
    let (count, mut rest) = split_array_head(rest).ok_or(CarError::Header)?;
    let mut roots = Vec::new();
    for _ in 0..count {
        let link = rest.strip_prefix(&LINK_START).ok_or(CarError::Header)?;
        let (cid, after) = split_cid(link).ok_or(CarError::Header)?;
        roots.push(cid);
        rest = after;
    }
    if rest == HEADER_END { Ok(roots) } else { Err(CarError::Header) }
}

/// Splits off the head of an array of fewer than 256 elements, more than a header has room for.
fn split_array_head(input: &[u8]) -> Option<(u8, &[u8])> {
    match input {
        [head @ 0x80..=0x97, rest @ ..] => Some((head - 0x80, rest)),
        [0x98, count @ 24..=255, rest @ ..] => Some((*count, rest)),
        _ => None,
    }
}

/// Splits off a CID of the kinds that repositories use.
fn split_cid(input: &[u8]) -> Option<(Cid, &[u8])> {
    let ([version, codec, hash, length], rest) = input.split_first_chunk()?;
    let (digest, rest) = rest.split_first_chunk::<32>()?;
    if (*version, *hash, *length) != (1, SHA_256, 32) || !matches!(*codec, DAG_CBOR | RAW) {
        return None;
    }
    let hash = Multihash::wrap(u64::from(SHA_256), digest).ok()?;
    Some((Cid::new_v1(u64::from(*codec), hash), rest))
}

pub(crate) const RAW: u8 = 0x55;
pub(crate) const DAG_CBOR: u8 = 0x71;
pub(crate) const SHA_256: u8 = 0x12;

/// A CID of the kinds that repositories use: version, codec, hash function, length, digest.
const CID_BYTES: usize = 36;
const MAX_VARINT_BYTES: usize = 9;

/// The map of two, and the key `roots`.
pub(crate) const HEADER_START: [u8; 7] = [0xa2, 0x65, b'r', b'o', b'o', b't', b's'];
/// The key `version`, and 1.
pub(crate) const HEADER_END: [u8; 9] = [0x67, b'v', b'e', b'r', b's', b'i', b'o', b'n', 0x01];
/// Tag 42, 37 bytes, the identity multibase.
pub(crate) const LINK_START: [u8; 5] = [0xd8, 0x2a, 0x58, 0x25, 0x00];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_read_in_their_shortest_form_only() {
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
