//! Reading is the inverse of writing, in one piece or many, and other people read and write the
//! same.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, clippy::unwrap_used)]

mod support;

use iroh_car::{CarHeader, CarReader, CarWriter};
use nacre_car::{CarError, Lookup, Reader, Writer, header};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{Blocks, DAG_CBOR, RAW, cid_of, read, read_in_pieces, write};

fn block() -> impl Strategy<Value = (cid::Cid, Vec<u8>)> {
    (any::<bool>(), vec(any::<u8>(), 0..200))
        .prop_map(|(raw, bytes)| (cid_of(if raw { RAW } else { DAG_CBOR }, &bytes), bytes))
}

fn blocks() -> impl Strategy<Value = Blocks> {
    vec(block(), 0..12)
}

fn roots() -> impl Strategy<Value = Vec<cid::Cid>> {
    vec(block().prop_map(|(cid, _)| cid), 0..40)
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    vec(1_usize..100, 1..8)
}

/// An order of questions: the file's, any other, and some of its blocks twice.
fn order() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..60)
}

proptest! {
    #[test]
    fn blocks_are_found_in_any_order(
        blocks in vec(block(), 0..60),
        in_order in 0_usize..60,
        order in order(),
        fetched in vec(any::<Index>(), 0..40),
    ) {
        let file = write(&[cid_of(RAW, b"")], &blocks);
        let mut lookup = Lookup::new(&file).unwrap();
        prop_assert_eq!(lookup.roots(), [cid_of(RAW, b"")]);
        for (cid, bytes) in blocks.iter().take(in_order) {
            prop_assert_eq!(lookup.block(cid), Ok(Some(&**bytes)));
        }
        if blocks.is_empty() {
            return Ok(());
        }
        let absent = [cid_of(RAW, &[9; 300]), cid_of(0x70, b"")];
        for index in order {
            // What is fetched ahead changes nothing, be it there or not.
            lookup.prefetch(fetched.iter().map(|index| index.get(&blocks).0).chain(absent));
            let (cid, bytes) = index.get(&blocks);
            prop_assert_eq!(lookup.block(cid), Ok(Some(&**bytes)));
        }
        for absent in absent {
            prop_assert_eq!(lookup.block(&absent), Ok(None));
        }
    }

    #[test]
    fn block_that_does_not_match_its_cid_is_not_found(
        blocks in vec(block(), 1..40),
        which: Index,
        asked in vec(any::<Index>(), 1..60),
    ) {
        let mut damaged = blocks.clone();
        let (cid, bytes) = &mut damaged[which.index(blocks.len())];
        bytes.push(0);
        let cid = *cid;
        let file = write(&[], &damaged);
        let mut lookup = Lookup::new(&file).unwrap();
        for index in asked {
            let (asked, bytes) = index.get(&blocks);
            match lookup.block(asked) {
                Ok(found) => {
                    prop_assert_eq!(found, Some(&**bytes));
                    let again = blocks.iter().filter(|(other, _)| *other == cid).count();
                    prop_assert!(*asked != cid || again > 1);
                }
                Err(error) => {
                    prop_assert_eq!(error, CarError::Hash(cid));
                    prop_assert_eq!(lookup.block(asked), Err(error), "it stays so");
                }
            }
        }
    }

    #[test]
    fn written_file_reads_back(roots in roots(), blocks in blocks(), pieces in pieces()) {
        let file = write(&roots, &blocks);
        let expected = Ok((roots, blocks));
        prop_assert_eq!(&read(&file), &expected);
        prop_assert_eq!(&read_in_pieces(&file, &pieces), &expected);
    }

    #[test]
    fn sending_in_chunks_gives_the_same_file(blocks in vec(block(), 0..40), size in 1_usize..900) {
        let root = cid_of(RAW, b"");
        let mut writer = Writer::new(&root);
        let mut chunks: Vec<Vec<u8>> = Vec::new();
        let list = blocks.iter().map(|(cid, bytes)| (cid, bytes.as_slice()));
        let sent = writer.blocks(list.clone(), size, |chunk| {
            chunks.push(chunk.to_vec());
            Ok::<_, ()>(())
        });
        prop_assert_eq!(sent, Ok(()));
        prop_assert!(chunks.iter().all(|chunk| chunk.len() >= size));
        prop_assert!(writer.len() < size || blocks.is_empty());
        chunks.push(writer.finish());
        prop_assert_eq!(chunks.concat(), write(&[root], &blocks));

        let mut writer = Writer::new(&root);
        let refused = writer.blocks(list, 1, |_| Err("full"));
        prop_assert_eq!(refused.is_err(), !blocks.is_empty());
    }

    #[test]
    fn taking_chunks_gives_the_same_file(blocks in blocks(), take: bool) {
        let root = cid_of(RAW, b"");
        let mut writer = Writer::new(&root);
        let mut file = Vec::new();
        for (cid, bytes) in &blocks {
            writer.block(cid, bytes);
            if take {
                file.extend(writer.take_chunk());
            } else {
                file.extend_from_slice(writer.as_bytes());
                writer.clear();
            }
            prop_assert!(writer.is_empty());
        }
        file.extend(writer.finish());
        prop_assert!(file.starts_with(&header(&[root])));
        prop_assert_eq!(file, write(&[root], &blocks));
    }

    #[test]
    fn decoding_in_chunks_equals_decoding_at_once(
        blocks in blocks(),
        at: Index,
        byte: u8,
        cut in proptest::option::of(any::<Index>()),
        pieces in pieces(),
    ) {
        let mut file = write(&[cid_of(RAW, b"")], &blocks);
        let at = at.index(file.len());
        file[at] = byte;
        file.truncate(cut.map_or(file.len(), |cut| cut.index(file.len())));
        prop_assert_eq!(read(&file), read_in_pieces(&file, &pieces));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(
        bytes in vec(any::<u8>(), 0..300),
        with_header: bool,
        pieces in pieces(),
    ) {
        let mut file = if with_header { header(&[cid_of(RAW, b"")]) } else { Vec::new() };
        file.extend(bytes);
        prop_assert_eq!(read(&file), read_in_pieces(&file, &pieces));
    }

    #[test]
    fn flipped_byte_is_detected(
        blocks in vec(block(), 1..6),
        at: Index,
        flip in 1..=255_u8,
    ) {
        let file = write(&[], &blocks);
        let mut changed = file.clone();
        let at = at.index(file.len());
        changed[at] ^= flip;
        // A changed codec names another block with the same bytes: that is for who looks for the
        // first.
        prop_assert_ne!(read(&changed), read(&file));
    }

    #[test]
    fn truncated_file_is_detected_except_at_a_block_boundary(blocks in blocks(), cut: Index) {
        let file = write(&[cid_of(RAW, b"")], &blocks);
        let cut = cut.index(file.len());
        match read(&file[..cut]) {
            Ok((roots, found)) => prop_assert_eq!(write(&roots, &found), &file[..cut]),
            Err(error) => prop_assert_eq!(error, CarError::Truncated),
        }
    }

    #[test]
    fn iteration_ends_after_an_error(blocks in vec(block(), 2..6)) {
        let mut file = write(&[], &blocks);
        let start = header(&[]).len();
        file[start + 10] ^= 1;
        let mut reader = Reader::new(&file).unwrap();
        prop_assert!(reader.next().unwrap().is_err());
        prop_assert!(reader.next().is_none());
        prop_assert!(Reader::new(&file).unwrap().without_hashing().all(|block| block.is_ok()));
    }

    #[test]
    fn another_implementation_reads_our_output(roots in vec(block(), 1..4), blocks in blocks()) {
        let roots: Vec<_> = roots.into_iter().map(|(cid, _)| cid).collect();
        let file = write(&roots, &blocks);
        let found = run(async {
            let mut reader = CarReader::new(file.as_slice()).await.unwrap();
            let mut found = Blocks::new();
            while let Some((cid, bytes)) = reader.next_block().await.unwrap() {
                found.push((cid, bytes));
            }
            (reader.header().roots().to_vec(), found)
        });
        prop_assert_eq!(found, (roots, blocks));
    }

    #[test]
    fn another_implementation_writes_the_same_output(
        roots in vec(block(), 1..4),
        blocks in vec(block(), 1..6),
    ) {
        let roots: Vec<_> = roots.into_iter().map(|(cid, _)| cid).collect();
        let file = run(async {
            let mut file = Vec::new();
            let mut writer = CarWriter::new(CarHeader::new_v1(roots.clone()), &mut file);
            for (cid, bytes) in &blocks {
                writer.write(*cid, bytes).await.unwrap();
            }
            writer.finish().await.unwrap();
            file
        });
        prop_assert_eq!(file, write(&roots, &blocks));
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}
