//! The physical limit of each row: what the hashing, copying and reading that it cannot do without
//! take on this machine.

use std::hint::black_box;

use sha2::block_api::compress256;

use crate::data::Digest;
use crate::measured::cpu_nanos;
use crate::rng::Rng;
use crate::row::Row;
use crate::world::World;

/// What the machine can do, measured in this run.
pub struct Machine {
    /// Nanoseconds of one SHA-256 block of 64 bytes, one after the other.
    pub sha_block: f64,
    /// The same where messages that do not depend on each other are hashed together, as fast as we
    /// can.
    pub sha_block_together: f64,
    /// Nanoseconds to copy a byte in the cache.
    pub copy_byte: f64,
    /// Nanoseconds to look at a byte in the cache: whether it is one of ASCII.
    pub scan_byte: f64,
}

impl Machine {
    pub fn measure() -> Self {
        let block = [[0x61; 64]; 16];
        let mut state = [0; 8];
        let sha = best(2000, || compress256(&mut state, black_box(&block)));
        let message = [0x61; 64 * BLOCKS - 9];
        let together = best(100, || {
            let messages = [message.as_slice(); 32];
            nacre_sha256::digest_each(messages, |_, digest| {
                black_box(digest);
            });
        });
        let bytes = vec![1_u8; 16 << 10];
        let scan = best(2000, || {
            black_box(black_box(&bytes).iter().fold(0, |all, byte| all | byte));
        });
        black_box(state);
        Self {
            sha_block: sha / 16.0,
            sha_block_together: together / (32 * BLOCKS) as f64,
            copy_byte: copy(bytes.len()),
            scan_byte: scan / bytes.len() as f64,
        }
    }

    /// Returns how many times as long as on the machine for which they were set the goals may take
    /// that are times.
    pub fn slowness(&self) -> f64 {
        (self.sha_block / GOAL_SHA_BLOCK).max(1.0)
    }
}

/// Returns the nanoseconds to copy a byte, of so many that are read over and over, into a buffer
/// that stays in the cache.
fn copy(bytes: usize) -> f64 {
    let (from, mut to) = (vec![1_u8; bytes], vec![0_u8; bytes.min(64 << 10)]);
    let passes = (64_usize << 20).div_ceil(bytes);
    let all = best(passes as u32, || {
        for chunk in from.chunks(to.len()) {
            to[..chunk.len()].copy_from_slice(black_box(chunk));
            black_box(&mut to);
        }
    });
    all / bytes as f64
}

/// Returns the nanoseconds of a read that no other can be ahead of, somewhere in so many bytes.
fn chase(bytes: usize) -> f64 {
    // A cycle through all lines of 64 bytes, in no order.
    let lines = bytes / 64;
    let mut rng = Rng::new(8);
    let mut order: Vec<usize> = (0..lines).collect();
    for last in (1..lines).rev() {
        order.swap(last, rng.below(last + 1));
    }
    let mut next = vec![0; lines * 8];
    for (at, &line) in order.iter().enumerate() {
        next[line * 8] = order[(at + 1) % lines] * 8;
    }
    let mut at = 0;
    let all = best(1, || {
        for _ in 0..lines {
            at = next[at];
        }
        at = black_box(at);
    });
    all / lines as f64
}

fn best(passes: u32, mut once: impl FnMut()) -> f64 {
    let one = |_| {
        let start = cpu_nanos();
        for _ in 0..passes {
            once();
        }
        (cpu_nanos() - start) as f64 / f64::from(passes)
    };
    (0..20).map(one).fold(f64::INFINITY, f64::min)
}

/// What a row of this size has to do.
pub struct Work {
    node_blocks: u64,
    key_blocks: u64,
    record_blocks: u64,
    car_bytes: u64,
    /// The mean of an insert.
    new_blocks: f64,
    proof_nodes: f64,
    changed_nodes: f64,
    records: f64,
    /// Nanoseconds to copy a byte of so many as there are in all.
    copy_byte: f64,
    /// Nanoseconds to a node's first byte, among all nodes.
    node: f64,
}

impl Work {
    pub fn of(world: &World) -> Self {
        let blocks = |length: usize| ((length + 9).div_ceil(64)) as u64;
        let bytes = |blocks: &[(Digest, Vec<u8>)]| {
            blocks.iter().map(|(_, block)| block.len()).sum::<usize>() as f64
        };
        let inserts = world.inserts();
        let mean = |each: &dyn Fn(&crate::world::Insert) -> f64| {
            inserts.iter().map(each).sum::<f64>() / inserts.len() as f64
        };
        let records = || world.data.entries.iter().map(|entry| world.data.record(entry).len());
        let count = world.nodes.len() + world.data.entries.len();
        let node_bytes = bytes(&world.nodes) as usize;
        let car_bytes = records().sum::<usize>() + node_bytes + 38 * count;
        Self {
            node_blocks: world.nodes.iter().map(|(_, block)| blocks(block.len())).sum(),
            key_blocks: world.data.entries.iter().map(|entry| blocks(entry.key.len())).sum(),
            record_blocks: records().map(blocks).sum(),
            car_bytes: car_bytes as u64,
            new_blocks: mean(&|insert| {
                insert.new.iter().map(|(_, block)| blocks(block.len())).sum::<u64>() as f64
            }),
            proof_nodes: mean(&|insert| insert.proof.len() as f64),
            changed_nodes: 2.0 * world.changed().new.len() as f64,
            records: world.data.entries.len() as f64,
            copy_byte: copy(car_bytes),
            node: chase(node_bytes),
        }
    }

    /// Returns how many things an operation of a row does something to, if they are counted: its
    /// time is divided by their number when sizes are compared.
    pub fn units(&self, row: Row) -> Option<f64> {
        match row {
            Row::Diff => Some(self.changed_nodes),
            row => row.is_whole().then_some(self.records),
        }
    }

    /// Returns what an operation cannot do without.
    pub fn limit(&self, row: Row, machine: &Machine) -> Option<Limit> {
        let hashed = |blocks: u64, of| {
            let blocks = blocks as f64;
            let together = Some(blocks * machine.sha_block_together);
            Limit { nanos: blocks * machine.sha_block, together, of }
        };
        let simple = |nanos, of| Limit { nanos, together: None, of };
        // A node that changed is hashed before the one above it can be.
        let changed = (self.new_blocks + 1.0) * machine.sha_block;
        let tree = self.node_blocks + self.key_blocks;
        Some(match row {
            Row::Height => hashed(1, "one block hashed"),
            Row::BuildSorted | Row::BuildTime => hashed(tree, "nodes and keys hashed"),
            Row::Insert | Row::InsertChecked => simple(changed, "changed nodes and the key hashed"),
            Row::WalkTree | Row::WalkShuffled => {
                hashed(tree + self.record_blocks, "nodes, keys and records hashed")
            }
            Row::CarWrite => simple(self.car_bytes as f64 * self.copy_byte, "all bytes copied"),
            Row::Diff => simple(self.changed_nodes * self.node, "changed nodes reached"),
            Row::Proof => simple(self.proof_nodes * self.node, "the proof's nodes reached"),
            Row::Invert => simple(changed, "the nodes of before hashed"),
            Row::RecordCheck => simple(370.0 * machine.scan_byte, "all bytes read"),
            Row::RecordEncode => simple(370.0 * machine.copy_byte, "all bytes copied"),
            _ => return None,
        })
    }
}

/// What a row cannot do without.
pub struct Limit {
    pub nanos: f64,
    /// With hashes made together.
    pub together: Option<f64>,
    /// What the time is spent on.
    pub of: &'static str,
}

/// SHA-256 blocks in a message that is long enough for its end not to count.
const BLOCKS: usize = 16;

/// Nanoseconds of one SHA-256 block on the machine for which the goals were set that are times.
const GOAL_SHA_BLOCK: f64 = 34.5;
