//! Builds a whole tree from sorted entries, with its right edge and some finished nodes in memory.

mod nodes;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::convert::Infallible;

use cid::Cid;

use crate::digest::Digest;
use crate::error::LinkError;
use crate::key::{KeyError, MAX_LEVEL, check_suffix, common_prefix, digest_height, level_index};
use crate::tree::Tree;
use nodes::Nodes;

/// Why a tree could not be built.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError<E = Infallible> {
    /// A node's entries would be more than [`MAX_NODE_ENTRIES`](crate::MAX_NODE_ENTRIES).
    #[error("a node has no room for another entry")]
    Full,
    /// A key is not one.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A record's CID is one that a tree cannot link to.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The keys do not ascend.
    #[error("the keys do not ascend")]
    Order,
    /// The sink failed.
    #[error("the block sink failed")]
    Sink(E),
}

/// Builds the tree of `entries`, which ascend by key, and returns it.
///
/// Each node is given to `sink` once, after the nodes below it. Costs one hash a key and one a
/// node. Memory is a node for each level, 17 keys, and finished nodes until there are 256 of them
/// or they take 128 KiB, which are then hashed together.
///
/// # Errors
///
/// [`BuildError`] if an entry cannot follow the ones before, or when the sink fails.
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

/// Builds the tree of `entries` in whatever order, each key once.
///
/// Costs what [`build`] does, and little more where the record keys of a collection ascend, as
/// those of records in the order of their time do. Memory is eight to sixteen bytes an entry more.
///
/// # Errors
///
/// As for [`build`]; [`BuildError::Order`] if there are two entries for a key.
pub fn build_unsorted<K: AsRef<str>, E>(
    entries: &[(K, Cid)],
    sink: impl FnMut(Cid, &[u8]) -> Result<(), E>,
) -> Result<Tree, BuildError<E>> {
    let key = |index: &usize| entries[*index].0.as_ref();
    let mut collections: BTreeMap<&str, Collection> = BTreeMap::new();
    for (index, (key, _)) in entries.iter().enumerate() {
        let key = key.as_ref();
        // With its slash, so that collections are in the order of their keys.
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

/// The entries of a collection, by their indices.
#[derive(Default)]
struct Collection {
    members: Vec<usize>,
    unsorted: bool,
}

/// A tree that grows at its right end.
#[derive(Debug)]
pub struct Builder<K, F> {
    sink: F,
    nodes: Nodes,
    /// Entries that wait to be looked at together.
    waiting: Vec<(K, Digest)>,
    /// The key before them, and where its slash is.
    last: Option<(K, usize)>,
}

impl<K: AsRef<str>, E, F: FnMut(Cid, &[u8]) -> Result<(), E>> Builder<K, F> {
    /// Returns an empty tree that gives its nodes to `sink`.
    #[must_use]
    pub fn new(sink: F) -> Self {
        Self { sink, nodes: Nodes::default(), waiting: Vec::with_capacity(WAITING), last: None }
    }

    /// Appends an entry. Entries are looked at a few at a time, so what is wrong with one may be
    /// said when a later one comes.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the entry, or one of the few before, cannot follow those before it, or
    /// when the sink fails. After an error the tree is not to be used.
    pub fn push(&mut self, key: K, value: Cid) -> Result<(), BuildError<E>> {
        let value = Digest::try_from(value)?;
        if self.waiting.len() == WAITING {
            self.settle()?;
        }
        // The keys of a repository may lie all over the memory. When it is looked at, this one is
        // there.
        nacre_sha256::prefetch(key.as_ref().as_bytes());
        self.waiting.push((key, value));
        Ok(())
    }

    /// Closes all nodes and returns the tree.
    ///
    /// # Errors
    ///
    /// As for [`Self::push`].
    pub fn finish(mut self) -> Result<Tree, BuildError<E>> {
        self.settle()?;
        let root = self.nodes.finish(&mut self.sink)?;
        Ok(Tree { root })
    }

    /// Puts the entries that wait into nodes.
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

    /// Checks the keys that wait, and their order. Returns how many bytes each shares with the one
    /// before it, and where the slash of the last is.
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
            // They begin with different bytes, or one is empty.
            if rest.first() <= last_rest.first() {
                return Err(BuildError::Order);
            }
            last = key;
        }
        Ok((shared, slash))
    }
}

/// How many entries are looked at together.
const WAITING: usize = 16;
