//! Prints random histories of a tree, for other implementations to repeat.
//!
//! `history <seed> <count>` prints a line of JSON for each commit of `count` histories. Each begins
//! with the empty tree; commit 0 of a history is its first. A line says
//!
//! - `history` and `commit`, which one it is;
//! - `writes`, pairs of a key and its record or null, in key order;
//! - `root`, of the tree after the commit; `new` and `retired`, the nodes that it adds and drops;
//! - `proof`, the nodes that cover all keys of the commit;
//! - `since`, an earlier commit, or null for the empty tree; and `diff`, what has changed from then
//!   on as triples of a key, its record before and its record after.
//!
//! Sets of nodes are sorted by CID. The same arguments always give the same lines.

extern crate alloc;

use alloc::collections::{BTreeMap, BTreeSet};
use core::error::Error;
use std::env;
use std::io::{self, Write};

use cid::Cid;
use cid::multihash::Multihash;
use nacre_mst::{Edit, Tree, covering_proof, diff, key_height};
use serde_json::{Value, json};

type Blocks = BTreeMap<Cid, Vec<u8>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse::<u32>());
    let (Some(seed), Some(count), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: history <seed> <count>".into());
    };
    let keys = keys();
    let mut random = Random(u64::from(seed?) + 1);
    let mut out = io::stdout().lock();
    for number in 0..count? {
        history(number, &keys, &mut random, &mut out)?;
    }
    Ok(())
}

fn history(
    number: u32,
    keys: &[String],
    random: &mut Random,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    // Few keys make small and often empty trees, many keys high and wide ones.
    let keys = &keys[..random.pick(&[6, 20, keys.len()])];
    let most = random.pick(&[2, 8, 24]);
    let mut blocks = Blocks::new();
    let mut trees = Vec::from([Tree::EMPTY]);
    for commit in 0..COMMITS {
        let tree = trees[commit];
        let present: BTreeSet<String> = nacre_mst::Entries::new(&blocks, tree)
            .map(|entry| entry.map(|(key, _)| key))
            .collect::<Result<_, _>>()?;
        let writes = writes(keys, &present, most, random)?;
        let edits: Vec<_> = writes.iter().map(|(key, value)| Edit { key, value: *value }).collect();
        let changes = tree.apply(&blocks, &edits)?;
        // Keeps all nodes, so that older trees can still be compared.
        blocks.extend(changes.new_blocks().map(|(cid, block)| (cid, block.to_vec())));
        trees.push(changes.tree);

        let proof = covering_proof(&blocks, changes.root(), writes.keys())?;
        let since = random.below(commit + 1);
        let differences = diff((&blocks, trees[since]), (&blocks, changes.tree))
            .map(|found| found.map(|it| json!([it.key, text(it.before), text(it.after)])))
            .collect::<Result<Vec<_>, _>>()?;
        let line = json!({
            "history": number,
            "commit": commit,
            "writes": writes.iter().map(|(key, cid)| json!([key, text(*cid)])).collect::<Vec<_>>(),
            "root": text(Some(changes.root())),
            "new": sorted(changes.new_blocks().map(|(cid, _)| cid)),
            "retired": sorted(changes.retired()),
            "proof": sorted(proof.into_iter().map(|(cid, _)| cid)),
            "since": since.checked_sub(1),
            "diff": differences,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Returns writes to a few keys, which create absent records and update or delete present ones.
fn writes(
    keys: &[String],
    present: &BTreeSet<String>,
    most: usize,
    random: &mut Random,
) -> Result<BTreeMap<String, Option<Cid>>, cid::multihash::Error> {
    // Some batches mostly grow the tree, and some mostly shrink it.
    let removals = random.pick(&[0, 1, 3]);
    let mut writes = BTreeMap::new();
    for _ in 0..=random.below(most) {
        let key = keys[random.below(keys.len())].clone();
        let removes = present.contains(&key) && random.below(4) < removals;
        writes.insert(key, if removes { None } else { Some(record(random.below(1000))?) });
    }
    Ok(writes)
}

/// Returns shuffled keys of each height up to [`MAX_HEIGHT`], so that few of them make a high,
/// sparse tree.
fn keys() -> Vec<String> {
    let mut by_height = vec![Vec::new(); MAX_HEIGHT + 1];
    for number in 0..MINED {
        // Scattered, so that keys of similar height are not neighbours.
        let key = format!("a.b.c{}/{:08x}", number % 3, number.wrapping_mul(0x9e37_79b1));
        let height = usize::try_from(key_height(key.as_bytes())).unwrap_or(MAX_HEIGHT);
        let like = &mut by_height[height.min(MAX_HEIGHT)];
        if like.len() < OF_ONE_HEIGHT {
            like.push(key);
        }
    }
    let rows = 0..OF_ONE_HEIGHT;
    let row = |row| by_height.iter().filter_map(move |like| like.get(row).cloned());
    rows.flat_map(row).collect()
}

fn record(number: usize) -> Result<Cid, cid::multihash::Error> {
    let digest = nacre_sha256::digest(&number.to_be_bytes());
    Ok(Cid::new_v1(0x71, Multihash::wrap(0x12, &digest)?))
}

fn text(cid: Option<Cid>) -> Value {
    cid.map_or(Value::Null, |cid| cid.to_string().into())
}

fn sorted(cids: impl Iterator<Item = Cid>) -> Vec<String> {
    let mut list: Vec<_> = cids.map(|cid| cid.to_string()).collect();
    list.sort_unstable();
    list
}

/// A pseudorandom number generator: xorshift with 64 bits.
struct Random(u64);

impl Random {
    /// Returns a number below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

const COMMITS: usize = 6;
const MAX_HEIGHT: usize = 6;
const MINED: u32 = 40_000;
const OF_ONE_HEIGHT: usize = 12;
