//! The nodes of the tree. Keys are unique in a tree, so no two nodes of it are alike, and a node
//! dies with the commit that no longer has it.

use alloc::borrow::Cow;

use cid::Cid;
use nacre_mst::BlockSource;
use nacre_syntax::Tid;

use super::{Store, blob, cid, text};
use crate::host::SqlError;

impl BlockSource for Store {
    type Error = SqlError;

    // What is here was made by a commit.
    const VERIFIED: bool = true;

    fn block(&self, node: &Cid) -> Result<Option<Cow<'_, [u8]>>, SqlError> {
        let bytes =
            self.first("select bytes from node where cid = ?", &[cid(node)], |row| row.blob(0))?;
        Ok(bytes.map(Cow::Owned))
    }
}

impl Store {
    /// Returns whether a node was written after `since`.
    pub(crate) fn node_is_newer(&self, node: &Cid, since: &str) -> Result<bool, SqlError> {
        let found = self.first(
            "select 1 from node where cid = ? and rev > ?",
            &[cid(node), text(since)],
            |row| row.integer(0),
        )?;
        Ok(found.is_some())
    }

    /// Keeps a node.
    pub(crate) fn put_node(&self, node: &Cid, rev: Tid, bytes: &[u8]) -> Result<(), SqlError> {
        self.run(
            "insert or replace into node (cid, rev, bytes) values (?, ?, ?)",
            &[cid(node), text(&rev.to_string()), blob(bytes)],
        )
    }

    /// Forgets a node.
    pub(crate) fn remove_node(&self, node: &Cid) -> Result<(), SqlError> {
        self.run("delete from node where cid = ?", &[cid(node)])
    }
}
