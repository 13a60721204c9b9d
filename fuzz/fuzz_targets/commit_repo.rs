//! A repository in a CAR is found right exactly if it is found right in a store, in any order of
//! its blocks.
//!
//! The input: a byte for the order, one for a block that is left out, two for a byte of the file
//! that is changed, and by what; then the nodes of the tree, as in `mst_tree`.
#![no_main]

mod support;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nacre_car::{CarError, Reader, Writer};
use nacre_commit::{RepoError, UnsignedCommit, VerifiedRepo, verify_blocks, verify_repo};
use nacre_crypto::{Curve, SigningKey};
use nacre_mst::{Entries, Tree};
use nacre_syntax::{Did, Tid};
use support::{Blocks, Input, cid_of, read_node};

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_bytes(Curve::K256, &[7; 32]).unwrap());

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let [step, gone] = [(); 2].map(|()| usize::from(input.byte()));
    let (at, flip) = (input.number(), input.byte());
    let mut list = Vec::new();
    while !input.is_empty() && list.len() < MAX_NODES {
        let block = read_node(&mut input, &list);
        list.push((cid_of(&block), block));
    }
    let data = list.last().map_or(Tree::EMPTY.root(), |(root, _)| *root);
    let did = Did::parse("did:web:example.com".to_owned()).unwrap();
    let rev = Tid::from_micros(1, 1);
    let commit = UnsignedCommit { did: did.clone(), data, rev }.sign(&KEY);
    let root = commit.cid();
    list.push((root, commit.encode()));
    list.reverse();
    list.extend([0, 1, 2].map(|number| (cid_of(&[number]), vec![number])));

    let mut car = Writer::new(&root);
    for index in 0..list.len() {
        let (cid, block) = &list[(index * (step | 1)) % list.len()];
        if index + 1 != gone {
            car.block(cid, block);
        }
    }
    let mut car = car.finish();
    if let Some(byte) = car.get_mut(at) {
        *byte ^= flip;
    }
    let found = verify_repo(&car, &did, Some(KEY.verifying_key())).and_then(|it| it.finish());
    check(&car, &did, found);
});

fn check(car: &[u8], did: &Did, found: Result<VerifiedRepo, RepoError<CarError>>) {
    let blocks: Result<Blocks, _> = Reader::new(car)
        .and_then(|blocks| blocks.map(|it| it.map(|it| (it.cid, it.bytes.to_vec()))).collect());
    // Else what is wrong may lie behind all that is reached.
    let Ok(blocks) = blocks else { return };
    let [root] = *Reader::new(car).unwrap().roots() else {
        assert!(matches!(found, Err(RepoError::Roots(_))));
        return;
    };
    let expected = verify_blocks(&blocks, root, did, Some(KEY.verifying_key()));
    match (found, expected) {
        (Ok(found), Ok(expected)) => {
            assert_eq!(found, expected);
            let tree = Tree::load(found.commit.data).unwrap();
            let count = Entries::new(&blocks, tree).map(Result::unwrap).count();
            assert_eq!(usize::try_from(found.records), Ok(count));
        }
        (Err(found), Err(expected)) => assert_eq!(found.to_string(), expected.to_string()),
        (found, expected) => panic!("in a CAR {found:?}, in a store {expected:?}"),
    }
}

const MAX_NODES: usize = 64;
