//! The nodes of the tree, on pages of which the ones in use are kept in memory.

use alloc::borrow::Cow;
use alloc::rc::Rc;
use std::collections::HashMap;

use cid::Cid;
use nacre_commit::CommitDiff;
use nacre_mst::{BlockSource, NodeRef, key_height};
use nacre_syntax::Tid;

use super::page::{ByDigest, Digest, Found, LEVELS, Page, Place, ROOT};
use super::{Store, blob, integer, text};
use crate::host::{Row, SqlError};

/// The pages in memory. What they say holds for the state of the database in which they were read
/// or written.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: HashMap<i64, Loaded>,
    /// Where each node is: on which page, as which part of it.
    nodes: ByDigest<(i64, usize)>,
    /// The page of each node that another page refers to.
    tops: ByDigest<i64>,
    /// Counts uses.
    tick: u64,
}

#[derive(Debug)]
struct Loaded {
    page: Rc<Page>,
    used: u64,
}

/// What a commit does to the pages.
#[derive(Debug, Default)]
pub(crate) struct PageChanges {
    put: Vec<(i64, Page)>,
    removed: Vec<i64>,
}

impl BlockSource for Store {
    type Error = SqlError;

    // What is here was made by a commit, or verified.
    const VERIFIED: bool = true;

    fn block(&self, node: &Cid) -> Result<Option<Cow<'_, [u8]>>, SqlError> {
        let Some(digest) = Digest::of(node) else { return Ok(None) };
        let found = self.node(digest)?;
        Ok(found.and_then(|(page, part)| page.node(part).map(|bytes| bytes.to_vec().into())))
    }
}

impl Store {
    /// Finds a node: its page, and which part of it. Nodes are found from above.
    fn node(&self, digest: Digest) -> Result<Option<(Rc<Page>, usize)>, SqlError> {
        if let Some(found) = self.pages.borrow_mut().node(digest) {
            return Ok(Some(found));
        }
        let page = self.pages.borrow_mut().page_of(digest);
        self.load_page(page)?;
        Ok(self.pages.borrow_mut().node(digest))
    }

    fn load_page(&self, page: i64) -> Result<(), SqlError> {
        if let Some(found) = self.read_page(page)? {
            self.pages.borrow_mut().insert(page, found);
        }
        Ok(())
    }

    /// Reads a page from the database.
    fn read_page(&self, page: i64) -> Result<Option<Page>, SqlError> {
        match self.stored_page(page)? {
            Some((rev, bytes)) => Page::decode(rev, bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the rev and the bytes of a page.
    fn stored_page(&self, page: i64) -> Result<Option<(String, Vec<u8>)>, SqlError> {
        let read = |row: &dyn Row| Ok((row.text(0)?, row.blob(1)?));
        match page {
            ROOT => self.first("select rev, root_page from account", &[], read),
            _ => self.first("select rev, bytes from page where id = ?", &[integer(page)], read),
        }
    }

    /// Returns a page from the database or, unless `is_fresh`, from memory; `None` if it is missing
    /// or corrupt.
    pub(super) fn page(&self, page: i64, is_fresh: bool) -> Result<Option<Rc<Page>>, SqlError> {
        if !is_fresh && let Some(loaded) = self.pages.borrow().pages.get(&page) {
            return Ok(Some(Rc::clone(&loaded.page)));
        }
        let stored = self.stored_page(page)?;
        Ok(stored.and_then(|(rev, bytes)| Page::parse(rev, bytes)).map(Rc::new))
    }

    /// Works out how the pages change with a commit.
    pub(crate) fn page_changes(&self, diff: &CommitDiff) -> Result<PageChanges, SqlError> {
        let new: ByDigest<&[u8]> =
            diff.new_nodes().filter_map(|(cid, bytes)| Some((Digest::of(&cid)?, bytes))).collect();
        let root = Digest::of(&diff.commit.data).ok_or_else(damaged)?;
        let old_root = diff.prev_data.as_ref().and_then(Digest::of);
        if old_root == Some(root) {
            return Ok(PageChanges::default());
        }
        let pages = self.pages.borrow();
        // The pages whose top goes, or becomes the root, are free to be others.
        let gone = diff.retired().filter_map(|cid| Digest::of(&cid)).chain([root]);
        let mut spare: Vec<i64> =
            gone.filter_map(|digest| pages.tops.get(&digest).copied()).collect();
        drop(pages);
        spare.sort_unstable_by(|a, b| b.cmp(a));
        spare.dedup();
        let mut plan = Plan { store: self, new, spare, next: None, put: Vec::new() };
        let level = match plan.new.get(&root) {
            Some(bytes) => root_level(bytes)?,
            None => match self.node(root)? {
                Some((page, part)) => root_level(page.node(part).ok_or_else(damaged)?)?,
                None => return Err(damaged()),
            },
        };
        plan.page(ROOT, root, level)?;
        Ok(PageChanges { put: plan.put, removed: plan.spare })
    }

    /// Writes the pages that a commit has changed, but for that of the root.
    pub(crate) fn put_pages(&self, changes: &PageChanges, rev: Tid) -> Result<(), SqlError> {
        let rev = rev.to_string();
        for page in &changes.removed {
            self.run("delete from page where id = ?", &[integer(*page)])?;
        }
        for (id, page) in changes.put.iter().filter(|(id, _)| *id != ROOT) {
            self.run(
                "insert or replace into page (id, rev, bytes) values (?, ?, ?)",
                &[integer(*id), text(&rev), blob(&page.bytes)],
            )?;
        }
        Ok(())
    }

    /// Forgets the pages in memory, all of which are others now.
    pub(crate) fn forget_pages(&self) {
        *self.pages.borrow_mut() = Pages::default();
    }

    /// Keeps the pages in memory that a commit has changed, once it is in the database.
    pub(crate) fn keep_pages(&self, changes: PageChanges, rev: Tid) {
        let rev = rev.to_string();
        let mut pages = self.pages.borrow_mut();
        for id in changes.removed {
            pages.remove(id);
        }
        // All that go before any that come, as nodes move from page to page.
        for (id, _) in &changes.put {
            pages.remove(*id);
        }
        for (id, page) in changes.put {
            pages.insert(id, Page { rev: rev.clone(), ..page });
        }
        pages.shrink();
    }

    /// Goes through the tree for nodes and records, and takes from `missing`, which is in order,
    /// what it finds.
    pub(crate) fn find_in_tree(
        &self,
        missing: &mut Vec<Cid>,
        mut found: impl FnMut(Found<'_>),
    ) -> Result<(), SqlError> {
        let mut after = ROOT;
        let mut pages = vec![self.read_page(ROOT)?.ok_or_else(damaged)?];
        while !missing.is_empty() && !pages.is_empty() {
            for page in pages.drain(..) {
                page.find(missing, &mut found)?;
            }
            pages = self.all(
                "select rev, bytes, id from page where id > ? order by id limit ?",
                &[integer(after), integer(PAGES_AT_ONCE)],
                |row| {
                    after = row.integer(2)?;
                    Page::decode(row.text(0)?, row.blob(1)?)
                },
            )?;
        }
        Ok(())
    }

    /// Reads all pages, each of which must be in use once. Returns their number and their faults.
    pub(crate) fn audit_pages(&self, root: &Cid) -> Result<(u64, Vec<String>), SqlError> {
        let mut faults = Vec::new();
        let mut tops = HashMap::new();
        let mut references = Vec::new();
        let all = "select 0, root_page from account union all select id, bytes from page";
        self.sql.query(all, &[], &mut |row| {
            let id = row.integer(0)?;
            match Page::parse(String::new(), row.blob(1)?) {
                Some(page) => {
                    let _ = tops.insert(id, page.top());
                    references.extend(page.parts.iter().filter_map(|part| match part.place {
                        Place::Elsewhere(below) => Some((below, part.digest)),
                        Place::Here { .. } => None,
                    }));
                }
                None => faults.push(format!("page {id} is corrupt")),
            }
            Ok(())
        })?;
        let count = u64::try_from(tops.len().saturating_sub(1)).unwrap_or(u64::MAX);
        references.extend(Digest::of(root).map(|root| (ROOT, root)));
        for (id, digest) in references {
            match tops.remove(&id) {
                Some(top) if top == Some(digest) => {}
                Some(_) => faults
                    .push(format!("page {id} does not hold the node that it is referenced for")),
                None => faults.push(format!("page {id} is missing, corrupt or referenced twice")),
            }
        }
        faults.extend(tops.keys().map(|id| format!("page {id} is not in use")));
        Ok((count, faults))
    }
}

impl PageChanges {
    /// A page of the root, in the place of all pages that there were.
    pub(super) fn of_root(page: Page) -> Self {
        Self { put: vec![(ROOT, page)], removed: Vec::new() }
    }

    /// Returns the pages that are there before and will not be as they are.
    pub(super) fn replaced(&self) -> impl Iterator<Item = i64> {
        self.put.iter().map(|(id, _)| *id).chain(self.removed.iter().copied())
    }

    /// Returns the new page of the root, if it changes.
    pub(super) fn root(&self) -> Option<&[u8]> {
        self.put.iter().find(|(id, _)| *id == ROOT).map(|(_, page)| &*page.bytes)
    }
}

impl Pages {
    fn node(&mut self, digest: Digest) -> Option<(Rc<Page>, usize)> {
        let &(id, part) = self.nodes.get(&digest)?;
        Some((self.touch(id)?, part))
    }

    /// Returns the page that a node is the top of; that of the root, if no page refers to it.
    fn page_of(&mut self, top: Digest) -> i64 {
        if let Some(id) = self.tops.get(&top) {
            return *id;
        }
        // A root that is not on the root's page has been written by somebody else.
        if self.pages.contains_key(&ROOT) {
            *self = Self::default();
        }
        ROOT
    }

    fn touch(&mut self, id: i64) -> Option<Rc<Page>> {
        let loaded = self.pages.get_mut(&id)?;
        self.tick += 1;
        loaded.used = self.tick;
        Some(loaded.page.clone())
    }

    fn insert(&mut self, id: i64, page: Page) {
        self.remove(id);
        for (part, found) in page.parts.iter().enumerate() {
            match found.place {
                Place::Here { .. } => drop(self.nodes.insert(found.digest, (id, part))),
                Place::Elsewhere(below) => drop(self.tops.insert(found.digest, below)),
            }
        }
        self.tick += 1;
        self.pages.insert(id, Loaded { page: Rc::new(page), used: self.tick });
    }

    fn remove(&mut self, id: i64) {
        let Some(loaded) = self.pages.remove(&id) else { return };
        for part in &loaded.page.parts {
            match part.place {
                Place::Here { .. } => drop(self.nodes.remove(&part.digest)),
                Place::Elsewhere(_) => drop(self.tops.remove(&part.digest)),
            }
        }
    }

    /// Forgets the pages that were not used for the longest time, down to a number of bytes.
    fn shrink(&mut self) {
        let mut bytes: usize = self.pages.values().map(|loaded| loaded.page.bytes.len()).sum();
        while bytes > MAX_BYTES {
            let oldest = self.pages.iter().min_by_key(|(_, loaded)| loaded.used);
            let Some((&id, loaded)) = oldest else { return };
            bytes -= loaded.page.bytes.len();
            self.remove(id);
        }
    }
}

/// Pages in the making.
struct Plan<'s> {
    store: &'s Store,
    new: ByDigest<&'s [u8]>,
    /// Pages that are to be removed, if they are not used again; the lowest numbers last.
    spare: Vec<i64>,
    /// The number of the next page that there has not been.
    next: Option<i64>,
    put: Vec<(i64, Page)>,
}

impl Plan<'_> {
    fn page(&mut self, id: i64, top: Digest, level: u32) -> Result<(), SqlError> {
        let mut page = Page::new();
        self.subtree(&mut page, top, level)?;
        self.put.push((id, page));
        Ok(())
    }

    /// Appends the subtree of a node to a page. Calls itself for each level.
    fn subtree(&mut self, page: &mut Page, top: Digest, level: u32) -> Result<(), SqlError> {
        let Some(&node) = self.new.get(&top) else {
            let (from, part) = self.store.node(top)?.ok_or_else(damaged)?;
            page.copy(&from, part);
            return Ok(());
        };
        let at = page.begin(top, node);
        let node = NodeRef::parse(node).map_err(|error| SqlError(error.to_string()))?;
        let rights = node.entries().map(|entry| entry.right());
        for below in [node.left()].into_iter().chain(rights).flatten() {
            let below = Digest::of(&below).ok_or_else(damaged)?;
            let elsewhere = match self.new.contains_key(&below) {
                true => None,
                false => self.store.pages.borrow().tops.get(&below).copied(),
            };
            if let Some(id) = elsewhere {
                page.refer(below, id);
            } else if level.is_multiple_of(LEVELS) || page.is_full() {
                let id = self.number()?;
                self.page(id, below, level.saturating_sub(1))?;
                page.refer(below, id);
            } else {
                self.subtree(page, below, level.saturating_sub(1))?;
            }
        }
        page.end(at);
        Ok(())
    }

    /// Returns the number of a page that is free.
    fn number(&mut self) -> Result<i64, SqlError> {
        if let Some(spare) = self.spare.pop() {
            return Ok(spare);
        }
        let next = match self.next {
            Some(next) => next,
            None => {
                self.store
                    .first("select id from page order by id desc limit 1", &[], |row| {
                        row.integer(0)
                    })?
                    .unwrap_or_default()
                    .max(ROOT)
                    + 1
            }
        };
        self.next = Some(next + 1);
        Ok(next)
    }
}

/// Returns the level of a root.
fn root_level(root: &[u8]) -> Result<u32, SqlError> {
    let node = NodeRef::parse(root).map_err(|error| SqlError(error.to_string()))?;
    Ok(node.entries().next().map_or(0, |first| key_height(first.suffix)))
}

pub(super) fn damaged() -> SqlError {
    SqlError("the tree lacks a node that it names".to_owned())
}

/// How many are read at a time by who goes through them all.
const PAGES_AT_ONCE: i64 = 16;
/// As much as is kept in memory.
const MAX_BYTES: usize = 1024 * 1024;
