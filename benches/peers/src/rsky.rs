//! rsky-repo.

use std::sync::Arc;

use cid::Cid;
use futures_executor::block_on;
use rsky_repo::block_map::BlockMap;
use rsky_repo::car::{blocks_to_car_file, read_stream_car_with_root};
use rsky_repo::data_diff::DataDiff;
use rsky_repo::mst::MST;
use rsky_repo::mst::util::leading_zeros_on_hash;
use rsky_repo::readable_repo::ReadableRepo;
use rsky_repo::storage::memory_blockstore::MemoryBlockstore;
use rsky_repo::storage::types::RepoStorage;
use tokio::runtime::Builder;
use tokio::sync::RwLock;

use crate::data::{Digest, Entry};
use crate::measured::{Measured, case};
use crate::row::Row;
use crate::world::{DigestMap, Order, World, answer, cid, digest_of, stored};

type Storage = Arc<RwLock<dyn RepoStorage>>;

pub fn case_of<'w>(row: Row, world: &'w World) -> Option<Box<dyn Measured + 'w>> {
    Some(match row {
        Row::Height => {
            let keys: Vec<&str> =
                world.data.entries.iter().take(10_000).map(|entry| entry.key.as_str()).collect();
            let height = |key: &str| leading_zeros_on_hash(key.as_bytes()).expect("a key");
            case(keys.len(), move |index| keys[index], height, |height| vec![height as u8])
        }
        Row::BuildSorted => build(world.data.in_key_order()),
        Row::BuildTime => build(world.data.entries.iter()),
        Row::Insert => insert(world),
        Row::WalkTree => walk(world, Order::Tree),
        Row::WalkShuffled => walk(world, Order::Shuffled),
        Row::CarWrite => car_write(world),
        Row::Diff => diff(world),
        Row::Proof => proof(world),
        Row::Invert => invert(world),
        _ => return None,
    })
}

/// The only call that makes all blocks stores them too.
fn build<'w>(entries: impl Iterator<Item = &'w Entry> + 'w) -> Box<dyn Measured + 'w> {
    let entries: Vec<(&str, Cid)> =
        entries.map(|entry| (entry.key.as_str(), cid(&entry.digest))).collect();
    let build = move |()| {
        block_on(async {
            let storage = storage([]).await;
            let mut tree = MST::create(storage.clone(), None, None).await.expect("a tree");
            for &(key, value) in &entries {
                tree = tree.add(key, value, None).await.expect("a key");
            }
            (tree.save_mst().await.expect("a tree"), storage)
        })
    };
    case(
        1,
        |_| (),
        build,
        |(root, storage)| stored::reachable(digest_of(&root), |digest| read(&storage, digest)),
    )
}

/// A root that is stored already is not made again, so what one round has added is taken out
/// before the next.
fn insert<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let (inserts, root) = (world.inserts(), cid(&world.root));
    let memory = block_on(memory(&world.nodes));
    let blocks = memory.blocks.clone();
    let storage: Storage = Arc::new(RwLock::new(memory));
    let shared = storage.clone();
    let old: DigestMap<()> = world.nodes.iter().map(|(digest, _)| (*digest, ())).collect();
    let input = move |index: usize| {
        if index == 0 {
            let mut blocks = block_on(blocks.write());
            for (digest, _) in inserts.iter().flat_map(|insert| &insert.new) {
                blocks.delete(cid(digest)).expect("memory");
            }
        }
        (inserts[index].key.clone(), cid(&inserts[index].value))
    };
    let insert = move |(key, value): (String, Cid)| {
        block_on(async {
            let mut tree = MST::load(shared.clone(), root, None).expect("a root");
            let tree = tree.add(&key, value, None).await.expect("a key");
            tree.save_mst().await.expect("a tree")
        })
    };
    case(200, input, insert, move |root| {
        stored::reachable(digest_of(&root), |digest| {
            if old.contains_key(digest) { None } else { read(&storage, digest) }
        })
    })
}

fn walk<'w>(world: &'w World, order: Order) -> Box<dyn Measured + 'w> {
    let car: &'static [u8] = Box::leak(world.car(order).into_boxed_slice());
    let walk = |car: &'static [u8]| {
        block_on(async {
            let car = read_stream_car_with_root(car).await.expect("a CAR");
            let memory = MemoryBlockstore::new(Some(car.blocks)).await.expect("memory");
            let storage: Storage = Arc::new(RwLock::new(memory));
            let repo = ReadableRepo::load(storage.clone(), car.root).await.expect("a commit");
            let (mut records, mut bytes) = (0_u64, 0_u64);
            for leaf in repo.data.leaves().await.expect("a tree") {
                let record = storage.read().await.get_bytes(&leaf.value).await;
                records += 1;
                bytes += record.expect("a block").expect("a record").len() as u64;
            }
            (records, bytes)
        })
    };
    case(1, move |_| car, walk, |seen| format!("{seen:?}").into_bytes())
}

/// It writes in a task of its own, so it needs a runtime.
fn car_write<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let root = cid(&world.commit.0);
    let mut blocks = BlockMap::new();
    for (digest, block) in world.blocks_in_tree_order() {
        blocks.set(cid(&digest), block.to_vec());
    }
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let write =
        move |blocks| runtime.block_on(blocks_to_car_file(Some(&root), blocks)).expect("a CAR");
    case(1, move |_| blocks.clone(), write, |car| stored::car(&car, world))
}

fn diff<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let changed = world.changed();
    let storage = block_on(storage(world.nodes.iter().chain(&changed.new)));
    let (before, after) = (cid(&world.root), cid(&changed.root));
    let diff = move |()| {
        let mut before = MST::load(storage.clone(), before, None).expect("a root");
        let mut after = MST::load(storage.clone(), after, None).expect("a root");
        block_on(DataDiff::of(&mut after, Some(&mut before))).expect("two trees")
    };
    case(
        1,
        |_| (),
        diff,
        |diff| {
            let some = |cid: Cid| Some(digest_of(&cid));
            let adds = diff.adds.into_values().map(|it| (it.key, None, some(it.cid)));
            let updates =
                diff.updates.into_values().map(|it| (it.key, some(it.prev), some(it.cid)));
            let deletes = diff.deletes.into_values().map(|it| (it.key, some(it.cid), None));
            answer::changes(adds.chain(updates).chain(deletes))
        },
    )
}

fn proof<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let inserts = world.inserts();
    let new = inserts.iter().flat_map(|insert| &insert.new);
    let storage = block_on(storage(world.nodes.iter().chain(new)));
    let input = move |index: usize| (inserts[index].key.clone(), cid(&inserts[index].root));
    let prove = move |(key, root): (String, Cid)| {
        let mut tree = MST::load(storage.clone(), root, None).expect("a root");
        block_on(tree.get_covering_proof(&key)).expect("a proof")
    };
    case(200, input, prove, |proof| {
        let cids = proof.cids().expect("CIDs");
        answer::digests(cids.iter().map(digest_of))
    })
}

fn invert<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let inserts = world.inserts();
    let stores: Vec<Storage> =
        inserts.iter().map(|insert| block_on(storage(&insert.proof))).collect();
    let input = move |index: usize| {
        (stores[index].clone(), inserts[index].key.clone(), cid(&inserts[index].root))
    };
    let undo = |(storage, key, root): (Storage, String, Cid)| {
        block_on(async {
            let mut tree = MST::load(storage, root, None).expect("a root");
            tree.delete(&key).await.ok()?.get_pointer().await.ok()
        })
    };
    let answer = |root: Option<Cid>| root.map_or(Vec::new(), |root| digest_of(&root).to_vec());
    case(200, input, undo, answer)
}

async fn memory<'b>(blocks: impl IntoIterator<Item = &'b (Digest, Vec<u8>)>) -> MemoryBlockstore {
    let mut map = BlockMap::new();
    for (digest, block) in blocks {
        map.set(cid(digest), block.clone());
    }
    MemoryBlockstore::new(Some(map)).await.expect("memory")
}

async fn storage<'b>(blocks: impl IntoIterator<Item = &'b (Digest, Vec<u8>)>) -> Storage {
    Arc::new(RwLock::new(memory(blocks).await))
}

fn read(storage: &Storage, digest: &Digest) -> Option<Vec<u8>> {
    block_on(async { storage.read().await.get_bytes(&cid(digest)).await }).expect("memory")
}
