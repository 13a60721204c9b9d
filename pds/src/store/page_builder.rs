//! `PageBuilder`: lays out a whole tree on staged pages, table `import_page`.

use cid::Cid;
use nacre_cbor::Digest;
use nacre_mst::{NodeRef, key_height};
use nacre_syntax::Tid;

use super::digest_map::DigestMap;
use super::page_changes::PageChanges;
use super::sql::Store;
use super::tree::missing_node;
use super::tree_page::{PAGE_LEVELS, TreePage};
use super::values::{blob, integer, text};
use crate::host::SqlError;

/// Builds the staged pages of a tree from its nodes in post-order. Memory holds only the subtrees
/// at the right edge of the tree.
#[derive(Debug)]
pub(crate) struct PageBuilder {
    store: Store,
    rev: String,
    /// Subtrees that are not on a staged page yet, with their level, by their top node.
    subtrees: DigestMap<(TreePage, u32)>,
    /// Number of the next page.
    next: i64,
    nodes: i64,
}

impl PageBuilder {
    /// Starts with no pages. Drops any that were staged before.
    pub(crate) fn new(store: &Store, rev: Tid) -> Result<Self, SqlError> {
        store.empty_staged_pages()?;
        let (store, rev) = (store.clone(), rev.to_string());
        Ok(Self { store, rev, subtrees: DigestMap::default(), next: 1, nodes: 0 })
    }

    /// Adds a node. Its children must have been added before.
    pub(crate) fn add_node(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), SqlError> {
        let digest = Digest::from_cid(cid).ok_or_else(missing_node)?;
        let node = NodeRef::parse(bytes).map_err(|error| SqlError::other(error.to_string()))?;
        let mut children = Vec::new();
        let rights = node.entries().map(|entry| entry.right());
        for child in [node.left()].into_iter().chain(rights).flatten() {
            let child = Digest::from_cid(&child).ok_or_else(missing_node)?;
            children.push((child, self.subtrees.remove(&child).ok_or_else(missing_node)?));
        }
        // A node without entries has one child, and no key that determines its level.
        let level = match (node.entries().next(), children.first()) {
            (Some(first), _) => key_height(first.suffix),
            (None, Some((_, (_, level)))) => level + 1,
            (None, None) => 0,
        };
        let mut page = TreePage::new();
        let at = page.begin_subtree(digest, bytes);
        for (child, (subtree, _)) in children {
            if level.is_multiple_of(PAGE_LEVELS) || page.is_full() {
                let id = self.next;
                self.next += 1;
                self.store.run(
                    "insert into import_page (id, rev, bytes) values (?, ?, ?)",
                    &[integer(id), text(&self.rev), blob(&subtree.bytes)],
                )?;
                page.push_reference(child, id);
            } else {
                page.copy_subtree(&subtree, 0);
            }
        }
        page.end_subtree(at);
        self.nodes += 1;
        self.subtrees.insert(digest, (page, level));
        Ok(())
    }

    /// Returns the root page and the number of nodes.
    pub(crate) fn finish(mut self, root: &Cid) -> Result<(PageChanges, i64), SqlError> {
        let root = Digest::from_cid(root).ok_or_else(missing_node)?;
        let (page, _) = self.subtrees.remove(&root).ok_or_else(missing_node)?;
        Ok((PageChanges::of_root(page), self.nodes))
    }
}
