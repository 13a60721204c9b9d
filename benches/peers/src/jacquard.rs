//! jacquard-repo.
//!
//! It spawns tasks, so it runs on tokio's runtime of one thread: what is timed is the time of a
//! processor, which more threads would not make less. Where it has a function for one thread
//! (`*_sequential`), that one is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use cid::Cid;
use jacquard_repo::car::{parse_car_bytes, write_car_bytes};
use jacquard_repo::commit::Commit;
use jacquard_repo::mst::VerifiedWriteOp;
use jacquard_repo::mst::util::layer_for_key;
use jacquard_repo::storage::BlockStore;
use jacquard_repo::{MemoryBlockStore, Mst};
use tokio::runtime::{Builder, Runtime};

use crate::data::{Digest, Entry};
use crate::measured::{Measured, case};
use crate::row::Row;
use crate::world::{Order, World, answer, cid, digest_of, stored};

pub fn case_of<'w>(row: Row, world: &'w World) -> Option<Box<dyn Measured + 'w>> {
    Some(match row {
        Row::Height => {
            let keys: Vec<&str> =
                world.data.entries.iter().take(10_000).map(|entry| entry.key.as_str()).collect();
            case(keys.len(), move |index| keys[index], layer_for_key, |height| vec![height as u8])
        }
        Row::BuildSorted => build(world.data.in_key_order()),
        Row::BuildTime => build(world.data.entries.iter()),
        Row::Insert => insert(world),
        Row::WalkTree => walk(world, Order::Tree),
        Row::WalkShuffled => walk(world, Order::Shuffled),
        Row::CarWrite => car_write(world),
        Row::Diff => diff(world),
        Row::Invert => invert(world),
        _ => return None,
    })
}

fn build<'w>(entries: impl Iterator<Item = &'w Entry> + 'w) -> Box<dyn Measured + 'w> {
    let entries: Vec<(&str, Cid)> =
        entries.map(|entry| (entry.key.as_str(), cid(&entry.digest))).collect();
    let build = move |()| {
        block_on(async {
            let mut tree = Mst::new(Arc::new(MemoryBlockStore::new()));
            for &(key, value) in &entries {
                tree = tree.add(key, value).await.expect("a key");
            }
            tree.collect_blocks_sequential().await.expect("a tree")
        })
    };
    case(1, |_| (), build, blocks_answer)
}

fn insert<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let (store, root, inserts) = (Arc::new(store(&world.nodes)), cid(&world.root), world.inserts());
    let input = move |index: usize| (inserts[index].key.clone(), cid(&inserts[index].value));
    let insert = move |(key, value): (String, Cid)| {
        block_on(async {
            let tree = Mst::load(store.clone(), root, None);
            let tree = tree.add(&key, value).await.expect("a key");
            tree.collect_blocks_sequential().await.expect("a tree")
        })
    };
    case(200, input, insert, blocks_answer)
}

fn walk<'w>(world: &'w World, order: Order) -> Box<dyn Measured + 'w> {
    let car: &'static [u8] = Box::leak(world.car(order).into_boxed_slice());
    let walk = |car: &'static [u8]| {
        block_on(async {
            let car = parse_car_bytes(car).await.expect("a CAR");
            let commit = car.blocks.get(&car.root).expect("a commit").clone();
            let commit = Commit::<String>::from_cbor(&commit).expect("a commit");
            let store = Arc::new(MemoryBlockStore::new_from_blocks(car.blocks));
            let tree = Mst::load(store.clone(), *commit.data(), None);
            let (mut records, mut bytes) = (0_u64, 0_u64);
            for (_, value) in tree.leaves_sequential().await.expect("a tree") {
                let record = store.get(&value).await.expect("a block").expect("a record");
                records += 1;
                bytes += record.len() as u64;
            }
            (records, bytes)
        })
    };
    case(1, move |_| car, walk, |seen| format!("{seen:?}").into_bytes())
}

/// It writes into one `Vec`, in the order of the CIDs, and has no other way for blocks in memory.
fn car_write<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let root = cid(&world.commit.0);
    let blocks: BTreeMap<Cid, _> = world
        .blocks_in_tree_order()
        .into_iter()
        .map(|(digest, block)| (cid(&digest), block.to_vec().into()))
        .collect();
    let write = move |blocks| block_on(write_car_bytes(root, blocks)).expect("a CAR");
    case(1, move |_| blocks.clone(), write, |car| stored::car(&car, world))
}

fn diff<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let changed = world.changed();
    let blocks = world.nodes.iter().chain(&changed.new);
    let store = Arc::new(store(blocks));
    let (before, after) = (cid(&world.root), cid(&changed.root));
    let diff = move |()| {
        let before = Mst::load(store.clone(), before, None);
        let after = Mst::load(store.clone(), after, None);
        block_on(before.diff(&after)).expect("two trees")
    };
    case(
        1,
        |_| (),
        diff,
        |diff| {
            let some = |cid: Cid| Some(digest_of(&cid));
            let creates =
                diff.creates.into_iter().map(|(key, new)| (key.to_string(), None, some(new)));
            let updates = diff.updates.into_iter();
            let updates = updates.map(|(key, new, old)| (key.to_string(), some(old), some(new)));
            let deletes =
                diff.deletes.into_iter().map(|(key, old)| (key.to_string(), some(old), None));
            answer::changes(creates.chain(updates).chain(deletes))
        },
    )
}

fn invert<'w>(world: &'w World) -> Box<dyn Measured + 'w> {
    let inserts = world.inserts();
    let stores: Vec<_> = inserts.iter().map(|insert| Arc::new(store(&insert.proof))).collect();
    let input = move |index: usize| {
        let insert = &inserts[index];
        let (key, value) = (insert.key.as_str().into(), cid(&insert.value));
        let op = VerifiedWriteOp::Create { key, cid: value };
        (stores[index].clone(), cid(&insert.root), op)
    };
    let undo = |(store, root, op)| {
        block_on(async {
            let mut tree = Mst::load(store, root, None);
            let undone = tree.invert_op(op).await.unwrap_or(false);
            if undone { tree.root().await.ok() } else { None }
        })
    };
    let answer = |root: Option<Cid>| root.map_or(Vec::new(), |root| digest_of(&root).to_vec());
    case(200, input, undo, answer)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(work))
}

fn store<'b>(blocks: impl IntoIterator<Item = &'b (Digest, Vec<u8>)>) -> MemoryBlockStore {
    let blocks = blocks.into_iter();
    let blocks = blocks.map(|(digest, block)| (cid(digest), block.clone().into()));
    MemoryBlockStore::new_from_blocks(blocks.collect())
}

fn blocks_answer<B: AsRef<[u8]>>((root, blocks): (Cid, BTreeMap<Cid, B>)) -> Vec<u8> {
    let blocks = blocks.iter().map(|(cid, block)| (digest_of(cid), block.as_ref()));
    answer::blocks(digest_of(&root), blocks)
}
