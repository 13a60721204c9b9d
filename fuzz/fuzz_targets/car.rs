//! A CAR is the same in one piece, in many, and looked up in any order; writing what was read
//! gives the file.
//!
//! The first three bytes say how long the pieces are; the file follows.
#![no_main]

mod support;

use cid::Cid;
use libfuzzer_sys::fuzz_target;
use nacre_car::{CarError, Decoder, Lookup, Reader, Step, Writer};
use support::{Input, record};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let pieces = [(); 3].map(|()| usize::from(input.byte()) + 1);
    let file = input.0;
    for hashes in [true, false] {
        let whole = read(file, hashes);
        assert_eq!(read_in_pieces(file, pieces, hashes), whole);
        if hashes {
            look_up(file, &whole, pieces);
        }
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

/// Asks for blocks that are there, in some order, and for one that is not.
fn look_up(file: &[u8], whole: &Result<Contents, CarError>, order: [usize; 3]) {
    let blocks = match (Lookup::new(file), whole) {
        (Ok(lookup), Ok((roots, _))) => {
            assert_eq!(lookup.roots(), roots);
            lookup
        }
        (Ok(lookup), Err(_)) => lookup,
        (Err(error), whole) => {
            assert_eq!(Some(&error), whole.as_ref().err());
            return;
        }
    };
    let absent = record(0);
    match whole {
        Ok((_, list)) => {
            let mut blocks = blocks;
            for at in 0..list.len() {
                let [start, step, turn] = order;
                let (cid, bytes) =
                    &list[if at < turn { at } else { (start + at * step) % list.len() }];
                assert_eq!(blocks.block(cid), Ok(Some(bytes.as_slice())));
            }
            let found = list.iter().find(|(cid, _)| *cid == absent);
            assert_eq!(blocks.block(&absent), Ok(found.map(|(_, bytes)| bytes.as_slice())));
        }
        Err(error) => {
            let mut blocks = blocks;
            // It may be there, before what is wrong.
            if !matches!(blocks.block(&absent), Ok(Some(_))) {
                assert_eq!(blocks.block(&absent), Err(*error));
            }
        }
    }
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
