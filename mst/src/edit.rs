//! Edits of a tree. One pass goes from the root down to all edited keys and back up with new nodes.

mod cut;
mod make;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

use cid::Cid;
use nacre_cbor::Digest;

use crate::changes::{Changes, NewBlocks};
use crate::digest::{EMPTY_NODE, EMPTY_ROOT, digest_of, link_to};
use crate::error::TreeError;
use crate::key::{KeyError, MAX_LEVEL, check_key, digest_height, level_index};
use crate::node::NodeRef;
use crate::open::{Bounds, LEVELS, OpenNodes, Span};
use crate::source::{BlockSource, fetch};
use crate::tree::Tree;

/// A change to one key of a tree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Edit<'a> {
    /// A repo path of at most [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES): a collection, a slash and a
    /// record key. Only the characters and the slash are checked, not the syntax of the parts.
    pub key: &'a str,
    /// The CID of the new record, or `None` to remove the record.
    pub value: Option<Cid>,
}

impl<'a> Edit<'a> {
    /// Returns an edit that sets the record under a key.
    #[must_use]
    pub fn set(key: &'a str, value: Cid) -> Self {
        Self { key, value: Some(value) }
    }

    /// Returns an edit that removes the record under a key.
    #[must_use]
    pub fn remove(key: &'a str) -> Self {
        Self { key, value: None }
    }
}

impl Tree {
    /// Sets the record under `key`. `previous[0]` of the result is the record before.
    ///
    /// # Errors
    ///
    /// Those of [`Self::apply`].
    pub fn insert<S: BlockSource>(
        &self,
        source: &S,
        key: &str,
        value: Cid,
    ) -> Result<Changes, TreeError<S::Error>> {
        self.apply(source, &[Edit::set(key, value)])
    }

    /// Removes the record under `key`. `previous[0]` of the result is the record before. If there
    /// was none, the tree is unchanged, and no node is new or retired.
    ///
    /// # Errors
    ///
    /// Those of [`Self::apply`].
    pub fn remove<S: BlockSource>(
        &self,
        source: &S,
        key: &str,
    ) -> Result<Changes, TreeError<S::Error>> {
        self.apply(source, &[Edit::remove(key)])
    }

    /// Applies edits, which must ascend by key: all or none. Reads each node that they touch once,
    /// and writes and hashes each new node once.
    ///
    /// # Errors
    ///
    /// [`TreeError`] if the edits do not ascend, a key or a record's CID is invalid, a node that
    /// the edits touch is missing or invalid, or a node would exceed its limit.
    pub fn apply<S: BlockSource>(
        &self,
        source: &S,
        edits: &[Edit<'_>],
    ) -> Result<Changes, TreeError<S::Error>> {
        apply(source, self.root, edits)
    }
}

fn apply<S: BlockSource>(
    source: &S,
    root: Digest,
    edits: &[Edit<'_>],
) -> Result<Changes, TreeError<S::Error>> {
    let mut editor = Editor::new(source, edits)?;
    let set = editor.edits.iter().filter(|edit| edit.value.is_some());
    let mut level = set.map(|edit| edit.height).max();
    if root != EMPTY_ROOT && !edits.is_empty() {
        let block = fetch(source, root)?;
        let root_level = NodeRef::root_level(&block).map_err(|error| error.of(root))?;
        editor.stash.push((root, block));
        editor.pieces.push(Piece { digest: root, level: root_level, bounds: Bounds::default() });
        level = level.max(Some(root_level));
    }
    let Some(level) = level else { return Ok(editor.finish(root, root)) };
    let part = Part {
        pieces: 0..editor.pieces.len(),
        edits: 0..edits.len(),
        bounds: Bounds::default(),
        is_top: true,
    };
    let made = match editor.make(level, &part)? {
        Some(digest) => digest,
        None => editor.empty_node(),
    };
    Ok(editor.finish(root, made))
}

struct Editor<'s, S> {
    source: &'s S,
    edits: Vec<PlannedEdit>,
    nodes: OpenNodes,
    /// A stack of the pieces of each unfinished gap, the innermost last.
    pieces: Vec<Piece>,
    /// A stack of the entries of each unfinished node, the innermost last.
    entries: Vec<NewEntry>,
    /// Blocks that will be needed again.
    stash: Vec<(Digest, Cow<'s, [u8]>)>,
    written: Vec<u8>,
    blocks: Vec<NewBlock>,
    /// Old nodes that were replaced, some of them twice.
    replaced: Vec<Digest>,
    /// Old nodes that were cut but turned out unchanged.
    kept: Vec<Digest>,
}

struct PlannedEdit {
    key: Span,
    height: u32,
    value: Option<Digest>,
    previous: Option<Digest>,
}

/// A subtree of the old tree, and the keys around it there.
#[derive(Clone, Copy)]
struct Piece {
    digest: Digest,
    level: u32,
    bounds: Bounds,
}

/// The inputs of a new node. Entries of the pieces outside of the bounds are ignored.
struct Part {
    pieces: Range<usize>,
    edits: Range<usize>,
    bounds: Bounds,
    /// Whether this is the root, which must have an entry.
    is_top: bool,
}

/// An entry of a new node.
struct NewEntry {
    key: Span,
    value: Digest,
    right: Option<Digest>,
}

struct NewBlock {
    digest: Digest,
    at: Range<usize>,
    level: u32,
    /// The number of new blocks below it.
    below: usize,
}

impl<'s, S: BlockSource> Editor<'s, S> {
    fn new(source: &'s S, edits: &[Edit<'_>]) -> Result<Self, TreeError<S::Error>> {
        if edits.windows(2).any(|pair| pair[0].key >= pair[1].key) {
            return Err(TreeError::Order);
        }
        let mut nodes = OpenNodes::new(S::VERIFIED).with_room_for_a_path();
        let mut planned = Vec::with_capacity(edits.len());
        for edit in edits {
            let key = edit.key.as_bytes();
            check_key(key)?;
            let value = edit.value.map(link_to).transpose()?;
            planned.push(PlannedEdit { key: nodes.keep(key), height: 0, value, previous: None });
        }
        let mut highest = 0;
        let keys = edits.iter().map(|edit| edit.key.as_bytes());
        nacre_sha256::digest_each(keys, |index, digest| {
            planned[index].height = digest_height(&digest);
            highest = highest.max(planned[index].height);
        });
        if highest > MAX_LEVEL {
            return Err(KeyError::Height.into());
        }
        Ok(Self {
            source,
            edits: planned,
            nodes,
            pieces: Vec::with_capacity(LEVELS),
            entries: Vec::with_capacity(LEVELS),
            stash: Vec::new(),
            written: Vec::with_capacity(LEVELS * 512),
            blocks: Vec::with_capacity(LEVELS),
            replaced: Vec::with_capacity(LEVELS),
            kept: Vec::new(),
        })
    }

    fn empty_node(&mut self) -> Digest {
        self.written.extend_from_slice(&EMPTY_NODE);
        self.seal(0, 0, 0)
    }

    /// Hashes the bytes written since `start` and adds them as a new block.
    fn seal(&mut self, start: usize, level: u32, blocks_start: usize) -> Digest {
        let at = start..self.written.len();
        let digest = digest_of(&self.written[at.clone()]);
        let below = self.blocks.len() - blocks_start;
        self.blocks.push(NewBlock { digest, at, level, below });
        digest
    }

    fn take_block(&mut self, digest: Digest) -> Result<Cow<'s, [u8]>, TreeError<S::Error>> {
        match self.stash.iter().rposition(|(stashed, _)| *stashed == digest) {
            Some(index) => Ok(self.stash.swap_remove(index).1),
            None => fetch(self.source, digest),
        }
    }

    /// Returns the changes to the tree at `before`.
    fn finish(self, before: Digest, after: Digest) -> Changes {
        let Self { edits, written, blocks, mut replaced, mut kept, .. } = self;
        let mut list: Vec<_> = blocks.iter().map(|_| (EMPTY_ROOT, 0..0)).collect();
        let top = blocks.last().map_or(0, |root| root.level);
        for (index, block) in blocks.into_iter().enumerate() {
            // Blocks were created in post-order, so those before this block's descendants are to
            // its left. In pre-order its ancestors come before it as well.
            let above = level_index(top - block.level);
            list[index - block.below + above] = (block.digest, block.at);
        }
        if before == EMPTY_ROOT && after != before {
            replaced.push(before);
        }
        replaced.sort_unstable();
        replaced.dedup();
        kept.sort_unstable();
        replaced.retain(|digest| kept.binary_search(digest).is_err());
        // Drops nodes that were changed and changed back.
        let is_back = |(digest, _): &(Digest, _)| replaced.binary_search(digest).is_ok();
        if list.iter().any(is_back) {
            let back: Vec<_> = list.extract_if(.., |block| is_back(block)).collect();
            replaced.retain(|digest| !back.iter().any(|(other, _)| other == digest));
        }
        Changes {
            tree: Tree { root: after },
            previous: edits.iter().map(|edit| edit.previous.map(Digest::to_cid)).collect(),
            blocks: NewBlocks { bytes: written, list },
            retired: replaced,
        }
    }
}
