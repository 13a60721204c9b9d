//! The tree's nodes and the pages that hold them: table `page`, and the root page in `account`.

use alloc::borrow::Cow;
use alloc::rc::Rc;

use cid::Cid;
use nacre_cbor::Digest;
use nacre_mst::BlockSource;
use nacre_syntax::Tid;

use super::page_changes::PageChanges;
use super::sql::Store;
use super::tree_page::{Found, ROOT_PAGE, TreePage};
use super::values::{blob, integer, text};
use crate::host::{Row, SqlError};

impl BlockSource for Store {
    type Error = SqlError;

    // Stored nodes come from our own commits or from verified imports.
    const VERIFIED: bool = true;

    fn block(&self, node: &Cid) -> Result<Option<Cow<'_, [u8]>>, SqlError> {
        let Some(digest) = Digest::from_cid(node) else { return Ok(None) };
        let found = self.node(digest)?;
        Ok(found.and_then(|(page, part)| page.node(part).map(|bytes| bytes.to_vec().into())))
    }
}

impl Store {
    /// Returns a node, as its page and its index among the parts. Loads the page if it is not
    /// cached.
    ///
    /// Only references on cached pages lead to other pages, so a caller must read a node's parent
    /// before the node.
    pub(super) fn node(&self, digest: Digest) -> Result<Option<(Rc<TreePage>, usize)>, SqlError> {
        if let Some(found) = self.page_cache.borrow_mut().node(digest) {
            return Ok(Some(found));
        }
        let page = self.page_cache.borrow_mut().page_to_load(digest);
        self.load_page(page)?;
        Ok(self.page_cache.borrow_mut().node(digest))
    }

    /// Reads a page into the cache.
    fn load_page(&self, page: i64) -> Result<(), SqlError> {
        if let Some(found) = self.read_page(page)? {
            self.page_cache.borrow_mut().insert(page, found);
        }
        Ok(())
    }

    /// Reads a page from the database. A corrupt page is an error.
    fn read_page(&self, page: i64) -> Result<Option<TreePage>, SqlError> {
        match self.stored_page(page)? {
            Some((rev, bytes)) => TreePage::decode(rev, bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the rev and the bytes of a page.
    fn stored_page(&self, page: i64) -> Result<Option<(String, Vec<u8>)>, SqlError> {
        let read = |row: &dyn Row| Ok((row.text(0)?, row.blob(1)?));
        match page {
            ROOT_PAGE => self.first("select rev, root_page from account", &[], read),
            _ => self.first("select rev, bytes from page where id = ?", &[integer(page)], read),
        }
    }

    /// Returns a page, or `None` if it is missing or corrupt. Looks in the cache first unless
    /// `bypass_cache` is set.
    pub(super) fn page(
        &self,
        page: i64,
        bypass_cache: bool,
    ) -> Result<Option<Rc<TreePage>>, SqlError> {
        if !bypass_cache && let Some(cached) = self.page_cache.borrow().page(page) {
            return Ok(Some(cached));
        }
        let stored = self.stored_page(page)?;
        Ok(stored.and_then(|(rev, bytes)| TreePage::parse(rev, bytes)).map(Rc::new))
    }

    /// Returns the highest page number in use.
    pub(super) fn last_page(&self) -> Result<i64, SqlError> {
        let last =
            self.first("select id from page order by id desc limit 1", &[], |row| row.integer(0))?;
        Ok(last.unwrap_or_default().max(ROOT_PAGE))
    }

    /// Writes the pages that a commit changes, except the root page, which is written with the
    /// `account` row.
    pub(crate) fn put_pages(&self, changes: &PageChanges, rev: Tid) -> Result<(), SqlError> {
        let rev = rev.to_string();
        for page in &changes.removed {
            self.run("delete from page where id = ?", &[integer(*page)])?;
        }
        for (id, page) in changes.put.iter().filter(|(id, _)| *id != ROOT_PAGE) {
            self.run(
                "insert or replace into page (id, rev, bytes) values (?, ?, ?)",
                &[integer(*id), text(&rev), blob(&page.bytes)],
            )?;
        }
        Ok(())
    }

    /// Clears the page cache, after all pages were replaced.
    pub(crate) fn clear_page_cache(&self) {
        self.page_cache.borrow_mut().clear();
    }

    /// Applies the changes of a committed transaction to the page cache.
    pub(crate) fn cache_pages(&self, changes: PageChanges, rev: Tid) {
        let rev = rev.to_string();
        let mut cache = self.page_cache.borrow_mut();
        for id in changes.removed {
            cache.remove(id);
        }
        // All old pages are removed before any new one is added, because nodes move between pages.
        for (id, _) in &changes.put {
            cache.remove(*id);
        }
        for (id, page) in changes.put {
            cache.insert(id, TreePage { rev: rev.clone(), ..page });
        }
        cache.evict();
    }

    /// Searches the whole tree for nodes and records. Removes the CIDs that it finds from
    /// `missing`, which must be sorted.
    pub(crate) fn find_in_tree(
        &self,
        missing: &mut Vec<Cid>,
        mut found: impl FnMut(Found<'_>),
    ) -> Result<(), SqlError> {
        let mut after = ROOT_PAGE;
        let mut pages = vec![self.read_page(ROOT_PAGE)?.ok_or_else(missing_node)?];
        while !missing.is_empty() && !pages.is_empty() {
            for page in pages.drain(..) {
                page.find(missing, &mut found)?;
            }
            pages = self.all(
                "select rev, bytes, id from page where id > ? order by id limit ?",
                &[integer(after), integer(PAGES_AT_ONCE)],
                |row| {
                    after = row.integer(2)?;
                    TreePage::decode(row.text(0)?, row.blob(1)?)
                },
            )?;
        }
        Ok(())
    }
}

/// Returns the error for a tree that lacks a node.
pub(super) fn missing_node() -> SqlError {
    SqlError::other("the tree refers to a node that is not stored")
}

/// Number of pages that a search of the whole tree reads at a time.
const PAGES_AT_ONCE: i64 = 16;
