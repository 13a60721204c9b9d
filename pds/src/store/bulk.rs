//! Pages of a whole tree, from nodes that come as a tree is built: each after those below it.

use cid::Cid;
use nacre_mst::{NodeRef, key_height};
use nacre_syntax::Tid;

use super::page::{ByDigest, Digest, LEVELS, Page};
use super::tree::damaged;
use super::{PageChanges, Store, blob, integer, text};
use crate::host::SqlError;

/// Makes the staged pages of a tree. In memory are the subtrees at its right end.
#[derive(Debug)]
pub(crate) struct PageMaker {
    store: Store,
    rev: String,
    /// Subtrees whose page is not known yet, by their top node, with its level.
    subtrees: ByDigest<(Page, u32)>,
    next: i64,
    nodes: i64,
}

impl PageMaker {
    /// Begins with no pages; those that were staged before are dropped.
    pub(crate) fn new(store: &Store, rev: Tid) -> Result<Self, SqlError> {
        store.empty_staged_pages()?;
        let (store, rev) = (store.clone(), rev.to_string());
        Ok(Self { store, rev, subtrees: ByDigest::default(), next: 1, nodes: 0 })
    }

    /// Takes a node, which comes after those below it.
    pub(crate) fn take(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), SqlError> {
        let digest = Digest::of(cid).ok_or_else(damaged)?;
        let node = NodeRef::parse(bytes).map_err(|error| SqlError(error.to_string()))?;
        let mut below = Vec::new();
        let rights = node.entries().map(|entry| entry.right());
        for link in [node.left()].into_iter().chain(rights).flatten() {
            let link = Digest::of(&link).ok_or_else(damaged)?;
            below.push((link, self.subtrees.remove(&link).ok_or_else(damaged)?));
        }
        // Only a node that has no entry, and so one node below it, does not say what its level is.
        let level = match (node.entries().next(), below.first()) {
            (Some(first), _) => key_height(first.suffix),
            (None, Some((_, (_, level)))) => level + 1,
            (None, None) => 0,
        };
        let mut page = Page::new();
        let at = page.begin(digest, bytes);
        for (link, (subtree, _)) in below {
            if level.is_multiple_of(LEVELS) || page.is_full() {
                let id = self.next;
                self.next += 1;
                self.store.run(
                    "insert into import_page (id, rev, bytes) values (?, ?, ?)",
                    &[integer(id), text(&self.rev), blob(&subtree.bytes)],
                )?;
                page.refer(link, id);
            } else {
                page.copy(&subtree, 0);
            }
        }
        page.end(at);
        self.nodes += 1;
        self.subtrees.insert(digest, (page, level));
        Ok(())
    }

    /// Returns the page of the root and how many nodes there are.
    pub(crate) fn finish(mut self, root: &Cid) -> Result<(PageChanges, i64), SqlError> {
        let root = Digest::of(root).ok_or_else(damaged)?;
        let (page, _) = self.subtrees.remove(&root).ok_or_else(damaged)?;
        Ok((PageChanges::of_root(page), self.nodes))
    }
}
