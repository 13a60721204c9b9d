//! Builds a whole tree from sorted entries in bounded memory: its right edge and some closed nodes.

mod error;
mod nodes;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::Digest;

use crate::digest::link_to;
use crate::key::{KeyError, MAX_LEVEL, check_suffix, common_prefix, digest_height, level_index};
use crate::tree::Tree;
pub use error::BuildError;
use nodes::Nodes;

/// Builds the tree of `entries`, which must ascend by key.
///
/// Passes each node to `sink` once, after the nodes below it. Hashes each key and each node once.
/// Memory holds a node for each level, 17 keys, and closed nodes until there are 256 of them or
/// they take 128 KiB. These are then hashed together.
///
/// # Errors
///
/// [`BuildError`] if an entry is invalid or out of order, or if the sink fails.
pub fn build<K: AsRef<str>, E>(
    entries: impl IntoIterator<Item = (K, Cid)>,
    sink: impl FnMut(Cid, &[u8]) -> Result<(), E>,
) -> Result<Tree, BuildError<E>> {
    let mut builder = Builder::new(sink);
    for (key, value) in entries {
        builder.push(key, value)?;
    }
    builder.finish()
}

/// Builds the tree of `entries` in any order, with each key once.
///
/// Costs little more than [`build`] if the record keys of each collection ascend, as TIDs in the
/// order of creation do. Takes eight to sixteen more bytes of memory an entry.
///
/// # Errors
///
/// Those of [`build`], and [`BuildError::Order`] if two entries have the same key.
pub fn build_unsorted<K: AsRef<str>, E>(
    entries: &[(K, Cid)],
    sink: impl FnMut(Cid, &[u8]) -> Result<(), E>,
) -> Result<Tree, BuildError<E>> {
    let key = |index: &usize| entries[*index].0.as_ref();
    let mut collections: BTreeMap<&str, Collection> = BTreeMap::new();
    for (index, (key, _)) in entries.iter().enumerate() {
        let key = key.as_ref();
        // Includes the slash, so that collections are in the order of their keys.
        let slash = key.bytes().position(|byte| byte == b'/').map_or(key.len(), |at| at + 1);
        let collection = collections.entry(&key[..slash]).or_default();
        let rkey = &key[slash..];
        let last = collection.members.last().map(|last| entries[*last].0.as_ref());
        collection.unsorted |= last.is_some_and(|last| &last[slash..] >= rkey);
        collection.members.push(index);
    }
    let mut builder = Builder::new(sink);
    for mut collection in collections.into_values() {
        if collection.unsorted {
            collection.members.sort_unstable_by_key(key);
        }
        for index in collection.members {
            builder.push(key(&index), entries[index].1)?;
        }
    }
    builder.finish()
}

/// The indices of a collection's entries.
#[derive(Default)]
struct Collection {
    members: Vec<usize>,
    unsorted: bool,
}

/// Builds a tree from entries that are pushed in key order.
#[derive(Debug)]
pub struct Builder<K, F> {
    sink: F,
    nodes: Nodes,
    /// Entries that are checked and hashed together.
    waiting: Vec<(K, Digest)>,
    /// The key before them, and the position of its slash.
    last: Option<(K, usize)>,
}

impl<K: AsRef<str>, E, F: FnMut(Cid, &[u8]) -> Result<(), E>> Builder<K, F> {
    /// Starts an empty tree whose nodes are passed to `sink`.
    #[must_use]
    pub fn new(sink: F) -> Self {
        Self { sink, nodes: Nodes::default(), waiting: Vec::with_capacity(WAITING), last: None }
    }

    /// Appends an entry. Entries are checked in batches, so a later call may report an error.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if this entry or one of its batch is invalid or out of order, or if the sink
    /// fails. Drop the builder after an error.
    pub fn push(&mut self, key: K, value: Cid) -> Result<(), BuildError<E>> {
        let value = link_to(value)?;
        if self.waiting.len() == WAITING {
            self.settle()?;
        }
        // Keys may be scattered in memory. This one is in the cache when its batch is checked.
        nacre_sha256::prefetch(key.as_ref().as_bytes());
        self.waiting.push((key, value));
        Ok(())
    }

    /// Closes all nodes and returns the tree.
    ///
    /// # Errors
    ///
    /// Those of [`Self::push`].
    pub fn finish(mut self) -> Result<Tree, BuildError<E>> {
        self.settle()?;
        let root = self.nodes.finish(&mut self.sink)?;
        Ok(Tree { root })
    }

    /// Checks the waiting entries and adds them to nodes.
    fn settle(&mut self) -> Result<(), BuildError<E>> {
        let (shared, slash) = self.check()?;
        let mut heights = [0; WAITING];
        let keys = self.waiting.iter().map(|(key, _)| key.as_ref().as_bytes());
        nacre_sha256::digest_each(keys, |index, digest| heights[index] = digest_height(&digest));
        for (((key, value), height), shared) in self.waiting.iter().zip(heights).zip(shared) {
            if height > MAX_LEVEL {
                return Err(KeyError::Height.into());
            }
            let key = key.as_ref().as_bytes();
            self.nodes.push(level_index(height), (key, shared), *value, &mut self.sink)?;
        }
        if let Some((last, _)) = self.waiting.pop() {
            self.last = Some((last, slash));
        }
        self.waiting.clear();
        Ok(())
    }

    /// Checks the waiting keys and their order. Returns the number of bytes that each shares with
    /// the one before it, and the position of the last key's slash.
    fn check(&self) -> Result<([usize; WAITING], usize), BuildError<E>> {
        let (mut last, mut slash) = match &self.last {
            Some((last, slash)) => (last.as_ref().as_bytes(), *slash),
            None => (&[][..], 0),
        };
        let mut shared = [0; WAITING];
        for ((key, _), shared) in self.waiting.iter().zip(&mut shared) {
            let key = key.as_ref().as_bytes();
            *shared = common_prefix(last, key);
            let (last_rest, rest) = (&last[*shared..], &key[*shared..]);
            slash = check_suffix(slash, *shared, rest)?;
            // The rests start with different bytes, or one is empty.
            if rest.first() <= last_rest.first() {
                return Err(BuildError::Order);
            }
            last = key;
        }
        Ok((shared, slash))
    }
}

/// The number of entries in a batch.
const WAITING: usize = 16;
