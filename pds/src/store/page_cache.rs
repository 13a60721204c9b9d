//! The page cache: recently used tree pages in memory, up to [`MAX_BYTES`].

use alloc::rc::Rc;
use std::collections::HashMap;

use nacre_cbor::Digest;

use super::digest_map::DigestMap;
use super::tree_page::{PartKind, ROOT_PAGE, TreePage};

/// The cached pages. They match the database as of the last commit that this process has read or
/// written.
#[derive(Debug, Default)]
pub(super) struct PageCache {
    pages: HashMap<i64, CachedPage>,
    /// Position of each cached node: its page, and its index among the parts.
    nodes: DigestMap<(i64, usize)>,
    /// Page of each node that a cached page refers to.
    references: DigestMap<i64>,
    /// Counter of uses, for the eviction order.
    tick: u64,
}

#[derive(Debug)]
struct CachedPage {
    page: Rc<TreePage>,
    last_used: u64,
}

impl PageCache {
    /// Returns a node, as its page and its index among the parts. Counts as a use of the page.
    pub(super) fn node(&mut self, digest: Digest) -> Option<(Rc<TreePage>, usize)> {
        let &(id, part) = self.nodes.get(&digest)?;
        Some((self.touch(id)?, part))
    }

    /// Returns a page. Does not count as a use.
    pub(super) fn page(&self, id: i64) -> Option<Rc<TreePage>> {
        self.pages.get(&id).map(|cached| Rc::clone(&cached.page))
    }

    /// Returns the number of the page with this top node, if a cached page refers to it.
    pub(super) fn referenced_page(&self, top: Digest) -> Option<i64> {
        self.references.get(&top).copied()
    }

    /// Returns the number of the page to load for this top node: the referenced page, or else the
    /// root page.
    pub(super) fn page_to_load(&mut self, top: Digest) -> i64 {
        if let Some(id) = self.referenced_page(top) {
            return id;
        }
        // A root that is not on the cached root page was written by another process, which makes
        // the whole cache stale.
        if self.pages.contains_key(&ROOT_PAGE) {
            self.clear();
        }
        ROOT_PAGE
    }

    /// Adds a page, in place of any of that number.
    pub(super) fn insert(&mut self, id: i64, page: TreePage) {
        self.remove(id);
        for (index, part) in page.parts.iter().enumerate() {
            match part.kind {
                PartKind::Node { .. } => drop(self.nodes.insert(part.digest, (id, index))),
                PartKind::Reference(below) => drop(self.references.insert(part.digest, below)),
            }
        }
        self.tick += 1;
        self.pages.insert(id, CachedPage { page: Rc::new(page), last_used: self.tick });
    }

    /// Removes a page, if it is cached.
    pub(super) fn remove(&mut self, id: i64) {
        let Some(cached) = self.pages.remove(&id) else { return };
        for part in &cached.page.parts {
            match part.kind {
                PartKind::Node { .. } => drop(self.nodes.remove(&part.digest)),
                PartKind::Reference(_) => drop(self.references.remove(&part.digest)),
            }
        }
    }

    /// Removes all pages.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Evicts the least recently used pages until the rest fits into [`MAX_BYTES`].
    pub(super) fn evict(&mut self) {
        let mut bytes: usize = self.pages.values().map(|cached| cached.page.bytes.len()).sum();
        while bytes > MAX_BYTES {
            let oldest = self.pages.iter().min_by_key(|(_, cached)| cached.last_used);
            let Some((&id, cached)) = oldest else { return };
            bytes -= cached.page.bytes.len();
            self.remove(id);
        }
    }

    fn touch(&mut self, id: i64) -> Option<Rc<TreePage>> {
        let cached = self.pages.get_mut(&id)?;
        self.tick += 1;
        cached.last_used = self.tick;
        Some(cached.page.clone())
    }
}

/// Limit of the cached pages' total size.
const MAX_BYTES: usize = 1024 * 1024;
