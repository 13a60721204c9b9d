//! `PageChanges`: the pages that a commit writes and removes.

use super::tree_page::{ROOT_PAGE, TreePage};

/// The pages that a commit writes and removes.
#[derive(Debug, Default)]
pub(crate) struct PageChanges {
    /// Pages to write, by number.
    pub(super) put: Vec<(i64, TreePage)>,
    /// Numbers of the pages to remove.
    pub(super) removed: Vec<i64>,
}

impl PageChanges {
    /// Changes the root page only, for a tree whose other pages are replaced as a whole.
    pub(super) fn of_root(page: TreePage) -> Self {
        Self { put: vec![(ROOT_PAGE, page)], removed: Vec::new() }
    }

    /// Returns the numbers of all pages that are written or removed.
    pub(super) fn replaced(&self) -> impl Iterator<Item = i64> {
        self.put.iter().map(|(id, _)| *id).chain(self.removed.iter().copied())
    }

    /// Returns the new root page, if it changes.
    pub(super) fn root(&self) -> Option<&[u8]> {
        self.put.iter().find(|(id, _)| *id == ROOT_PAGE).map(|(_, page)| &*page.bytes)
    }
}
