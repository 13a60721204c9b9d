//! atrium-repo. It writes the path of a key to its store at each change.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Cursor;
use std::rc::Rc;

use atrium_repo::blockstore::{
    AsyncBlockStoreRead, AsyncBlockStoreWrite, CarStore, DAG_CBOR, DiffBlockStore,
    MemoryBlockStore, SHA2_256,
};
use atrium_repo::mst::Tree;
use atrium_repo::{Cid, Repository};
use futures_executor::block_on;
use futures_util::TryStreamExt;

use crate::data::{Digest, Entry};
use crate::measured::{Measured, case};
use crate::row::Row;
use crate::world::{Order, World, cid, digest_of, stored};

pub fn case_of<'w>(row: Row, world: &'w World) -> Option<Box<dyn Measured + 'w>> {
    Some(match row {
        Row::BuildSorted => build(world.data.in_key_order()),
        Row::BuildTime => build(world.data.entries.iter()),
        Row::Insert => insert(world),
        Row::WalkTree => walk(world, Order::Tree),
        Row::WalkShuffled => walk(world, Order::Shuffled),
        Row::CarWrite => car_write(world),
        Row::Invert => invert(world),
        _ => return None,
    })
}

fn build<'w>(entries: impl Iterator<Item = &'w Entry> + 'w) -> Box<dyn Measured + 'w> {
    let entries: Vec<(&str, Cid)> =
        entries.map(|entry| (entry.key.as_str(), cid(&entry.digest))).collect();
    let build = move |()| {
        block_on(async {
            let mut store = MemoryBlockStore::new();
            let mut tree = Tree::create(&mut store).await.expect("a tree");
            for &(key, value) in &entries {
                tree.add(key, value).await.expect("a key");
            }
            (tree.root(), store)
        })
    };
    case(
        1,
        |_| (),
        build,
        |(root, mut store)| {
            stored::reachable(digest_of(&root), |digest| {
                block_on(store.read_block(cid(digest))).ok()
            })
        },
    )
}

fn insert<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let store = Rc::new(RefCell::new(store(&world.nodes)));
    let (root, inserts) = (cid(&world.root), world.inserts());
    let input = move |index: usize| (inserts[index].key.clone(), cid(&inserts[index].value));
    let shared = Rc::clone(&store);
    let insert = move |(key, value): (String, Cid)| {
        let mut store = shared.borrow_mut();
        let mut store = DiffBlockStore::wrap(&mut *store);
        block_on(async {
            let mut tree = Tree::open(&mut store, root);
            tree.add(&key, value).await.expect("a key");
            (tree.root(), store.blocks().collect::<HashSet<Cid>>())
        })
    };
    // Blocks that it wrote on the way and that the new tree does not need are forgiven.
    case(200, input, insert, move |(root, written)| {
        stored::reachable(digest_of(&root), |digest| {
            let cid = cid(digest);
            let read = || block_on(store.borrow_mut().read_block(cid)).ok();
            written.contains(&cid).then(read).flatten()
        })
    })
}

fn walk<'w>(world: &'w World, order: Order) -> Box<dyn Measured + 'w> {
    let car: &'static [u8] = Box::leak(world.car(order).into_boxed_slice());
    let walk = |car: &'static [u8]| {
        block_on(async {
            let mut store = CarStore::open(Cursor::new(car)).await.expect("a CAR");
            let root = store.roots().next().expect("a root");
            let mut repo = Repository::open(&mut store, root).await.expect("a commit");
            let entries: Vec<(String, Cid)> =
                repo.tree().entries().try_collect().await.expect("a tree");
            drop(repo);
            let (mut bytes, mut record) = (0_u64, Vec::new());
            for (_, value) in &entries {
                store.read_block_into(*value, &mut record).await.expect("a record");
                bytes += record.len() as u64;
            }
            (entries.len() as u64, bytes)
        })
    };
    case(1, move |_| car, walk, |seen| format!("{seen:?}").into_bytes())
}

/// Its writer hashes every block again.
fn car_write<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let root = cid(&world.commit.0);
    let blocks = world.blocks_in_tree_order();
    let write = move |()| {
        block_on(async {
            let mut car = Cursor::new(Vec::new());
            let mut store = CarStore::create_with_roots(&mut car, [root]).await.expect("a CAR");
            for (_, block) in &blocks {
                store.write_block(DAG_CBOR, SHA2_256, block).await.expect("a block");
            }
            drop(store);
            car.into_inner()
        })
    };
    case(1, |_| (), write, |car| stored::car(&car, world))
}

fn invert<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let inserts = world.inserts();
    let mut stores: Vec<_> = inserts.iter().map(|insert| store(&insert.proof)).collect();
    let input = move |index: usize| (index, inserts[index].key.clone(), cid(&inserts[index].root));
    let undo = move |(index, key, root): (usize, String, Cid)| {
        let mut tree = Tree::open(&mut stores[index], root);
        block_on(tree.delete(&key)).ok().map(|()| tree.root())
    };
    let answer = |root: Option<Cid>| root.map_or(Vec::new(), |root| digest_of(&root).to_vec());
    case(200, input, undo, answer)
}

fn store(blocks: &[(Digest, Vec<u8>)]) -> MemoryBlockStore {
    let mut store = MemoryBlockStore::new();
    for (_, block) in blocks {
        block_on(store.write_block(DAG_CBOR, SHA2_256, block)).expect("memory");
    }
    store
}
