//! What the tests share.
#![allow(dead_code, missing_docs, unreachable_pub)]

use cid::Cid;
use cid::multihash::Multihash;
use nacre_car::{Block, CarError, Decoder, Reader, Step, Writer};
use sha2::{Digest, Sha256};

pub type Blocks = Vec<(Cid, Vec<u8>)>;
pub type Contents = (Vec<Cid>, Blocks);

pub const DAG_CBOR: u64 = 0x71;
pub const RAW: u64 = 0x55;

pub fn cid_of(codec: u64, block: &[u8]) -> Cid {
    Cid::new_v1(codec, Multihash::wrap(0x12, &Sha256::digest(block)).unwrap())
}

pub fn write(roots: &[Cid], blocks: &Blocks) -> Vec<u8> {
    let mut writer = Writer::with_roots(roots);
    for (cid, bytes) in blocks {
        writer.block(cid, bytes);
    }
    writer.finish()
}

/// Reads a whole file at once.
pub fn read(file: &[u8]) -> Result<Contents, CarError> {
    let reader = Reader::new(file)?;
    let roots = reader.roots().to_vec();
    let blocks = reader.map(|block| block.map(owned)).collect::<Result<_, _>>()?;
    Ok((roots, blocks))
}

/// Reads a whole file in pieces of these lengths, over and over.
pub fn read_in_pieces(file: &[u8], lengths: &[usize]) -> Result<Contents, CarError> {
    let mut decoder = Decoder::new();
    let (mut roots, mut blocks) = (Vec::new(), Vec::new());
    let (mut rest, mut lengths) = (file, lengths.iter().cycle());
    loop {
        match decoder.step()? {
            Step::Header(found) => roots = found,
            Step::Block(block) => blocks.push(owned(block)),
            Step::End => return Ok((roots, blocks)),
            Step::NeedMore if rest.is_empty() => decoder.finish(),
            Step::NeedMore => {
                let length = rest.len().min(*lengths.next().unwrap());
                let (piece, after) = rest.split_at(length);
                decoder.push(piece);
                rest = after;
            }
        }
    }
}

fn owned(block: Block<'_>) -> (Cid, Vec<u8>) {
    (block.cid, block.bytes.to_vec())
}
