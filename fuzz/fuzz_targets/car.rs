//! A CAR is the same in one piece and in many, and writing what was read gives the file.
//!
//! The first three bytes say how long the pieces are; the file follows.
#![no_main]

mod support;

use cid::Cid;
use libfuzzer_sys::fuzz_target;
use nacre_car::{CarError, Decoder, Reader, Step, Writer};
use support::Input;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let pieces = [(); 3].map(|()| usize::from(input.byte()) + 1);
    let file = input.0;
    for hashes in [true, false] {
        let whole = read(file, hashes);
        assert_eq!(read_in_pieces(file, pieces, hashes), whole);
        if let Ok((roots, blocks)) = whole {
            let mut writer = Writer::with_roots(&roots);
            for (cid, bytes) in &blocks {
                writer.block(cid, bytes);
            }
            assert_eq!(writer.finish(), file);
        }
    }
});

type Contents = (Vec<Cid>, Vec<(Cid, Vec<u8>)>);

fn read(file: &[u8], hashes: bool) -> Result<Contents, CarError> {
    let reader = Reader::new(file)?;
    let reader = if hashes { reader } else { reader.without_hashing() };
    let roots = reader.roots().to_vec();
    let blocks = reader.map(|block| block.map(|block| (block.cid, block.bytes.to_vec())));
    Ok((roots, blocks.collect::<Result<_, _>>()?))
}

fn read_in_pieces(file: &[u8], pieces: [usize; 3], hashes: bool) -> Result<Contents, CarError> {
    let decoder = Decoder::new();
    let mut decoder = if hashes { decoder } else { decoder.without_hashing() };
    let (mut roots, mut blocks) = (Vec::new(), Vec::new());
    let (mut rest, mut pieces) = (file, pieces.iter().cycle());
    loop {
        match decoder.step()? {
            Step::Header(found) => roots = found,
            Step::Block(block) => blocks.push((block.cid, block.bytes.to_vec())),
            Step::End => return Ok((roots, blocks)),
            Step::NeedMore if rest.is_empty() => decoder.finish(),
            Step::NeedMore => {
                let length = pieces.next().map_or(1, |length| rest.len().min(*length));
                let (piece, after) = rest.split_at(length);
                decoder.push(piece);
                rest = after;
            }
        }
    }
}
