//! The plan of a commit's page changes: its nodes are laid out on pages, in memory.

use nacre_cbor::Digest;
use nacre_commit::CommitDiff;
use nacre_mst::{NodeRef, key_height};

use super::digest_map::DigestMap;
use super::page_changes::PageChanges;
use super::sql::Store;
use super::tree::missing_node;
use super::tree_page::{PAGE_LEVELS, ROOT_PAGE, TreePage};
use crate::host::SqlError;

impl Store {
    /// Returns the pages that a commit writes and removes.
    pub(crate) fn page_changes(&self, diff: &CommitDiff) -> Result<PageChanges, SqlError> {
        let new: DigestMap<&[u8]> = diff
            .new_nodes()
            .filter_map(|(cid, bytes)| Some((Digest::from_cid(&cid)?, bytes)))
            .collect();
        let root = Digest::from_cid(&diff.commit.data).ok_or_else(missing_node)?;
        let old_root = diff.prev_data.as_ref().and_then(Digest::from_cid);
        if old_root == Some(root) {
            return Ok(PageChanges::default());
        }
        let cache = self.page_cache.borrow();
        // The pages whose top node is retired or becomes the root can be reused.
        let retired = diff.retired().filter_map(|cid| Digest::from_cid(&cid)).chain([root]);
        let mut free: Vec<i64> =
            retired.filter_map(|digest| cache.referenced_page(digest)).collect();
        drop(cache);
        free.sort_unstable_by(|a, b| b.cmp(a));
        free.dedup();
        let mut plan = PagePlan { store: self, new, free, next: None, put: Vec::new() };
        let level = match plan.new.get(&root) {
            Some(bytes) => root_level(bytes)?,
            None => match self.node(root)? {
                Some((page, part)) => root_level(page.node(part).ok_or_else(missing_node)?)?,
                None => return Err(missing_node()),
            },
        };
        plan.put_page(ROOT_PAGE, root, level)?;
        Ok(PageChanges { put: plan.put, removed: plan.free })
    }
}

/// Page changes in progress.
struct PagePlan<'s> {
    store: &'s Store,
    /// The commit's new nodes.
    new: DigestMap<&'s [u8]>,
    /// Numbers of pages that can be reused, the lowest last. Those left at the end are removed.
    free: Vec<i64>,
    /// The lowest number that no page has had yet, once it has been looked up.
    next: Option<i64>,
    put: Vec<(i64, TreePage)>,
}

impl PagePlan<'_> {
    /// Writes the page of this number with the subtree of this top node.
    fn put_page(&mut self, id: i64, top: Digest, level: u32) -> Result<(), SqlError> {
        let mut page = TreePage::new();
        self.push_subtree(&mut page, top, level)?;
        self.put.push((id, page));
        Ok(())
    }

    /// Appends the subtree of a node to a page. Recurses once per level.
    fn push_subtree(
        &mut self,
        page: &mut TreePage,
        top: Digest,
        level: u32,
    ) -> Result<(), SqlError> {
        let Some(&node) = self.new.get(&top) else {
            let (from, part) = self.store.node(top)?.ok_or_else(missing_node)?;
            page.copy_subtree(&from, part);
            return Ok(());
        };
        let at = page.begin_subtree(top, node);
        let node = NodeRef::parse(node).map_err(|error| SqlError::other(error.to_string()))?;
        let rights = node.entries().map(|entry| entry.right());
        for below in [node.left()].into_iter().chain(rights).flatten() {
            let below = Digest::from_cid(&below).ok_or_else(missing_node)?;
            let unchanged_page = match self.new.contains_key(&below) {
                true => None,
                false => self.store.page_cache.borrow().referenced_page(below),
            };
            if let Some(id) = unchanged_page {
                page.push_reference(below, id);
            } else if level.is_multiple_of(PAGE_LEVELS) || page.is_full() {
                let id = self.free_number()?;
                self.put_page(id, below, level.saturating_sub(1))?;
                page.push_reference(below, id);
            } else {
                self.push_subtree(page, below, level.saturating_sub(1))?;
            }
        }
        page.end_subtree(at);
        Ok(())
    }

    /// Takes a page number that is not in use.
    fn free_number(&mut self) -> Result<i64, SqlError> {
        if let Some(free) = self.free.pop() {
            return Ok(free);
        }
        let next = match self.next {
            Some(next) => next,
            None => self.store.last_page()? + 1,
        };
        self.next = Some(next + 1);
        Ok(next)
    }
}

/// Returns the level of a root node.
fn root_level(root: &[u8]) -> Result<u32, SqlError> {
    let node = NodeRef::parse(root).map_err(|error| SqlError::other(error.to_string()))?;
    Ok(node.entries().next().map_or(0, |first| key_height(first.suffix)))
}
