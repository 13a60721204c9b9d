//! A store of tree nodes in memory.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::convert::Infallible;

use cid::Cid;
use hashbrown::HashMap;

use crate::changes::Changes;
use crate::digest::Digest;
use crate::error::LinkError;
use crate::source::BlockSource;

/// Tree nodes in memory.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    by_digest: HashMap<Digest, Box<[u8]>>,
}

impl Blocks {
    /// Returns a store that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node. That `bytes` have the hash in `cid` is the caller's promise.
    ///
    /// # Errors
    ///
    /// [`LinkError`] for a CID that no node has.
    pub fn insert(&mut self, cid: Cid, bytes: &[u8]) -> Result<(), LinkError> {
        self.by_digest.insert(Digest::try_from(cid)?, bytes.into());
        Ok(())
    }

    /// Does what a store has to do after an edit: adds the new nodes and drops the retired ones.
    pub fn apply(&mut self, changes: &Changes) {
        for digest in &changes.retired {
            self.by_digest.remove(digest);
        }
        for (digest, bytes) in changes.new_digests() {
            self.by_digest.insert(digest, bytes.into());
        }
    }

    /// Returns the number of nodes, each counted once however often it was added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_digest.len()
    }

    /// Returns whether there are no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }
}

impl BlockSource for Blocks {
    type Error = Infallible;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Infallible> {
        let digest = Digest::from_cid(cid);
        let bytes = digest.and_then(|digest| self.by_digest.get(&digest));
        Ok(bytes.map(|bytes| Cow::Borrowed(&**bytes)))
    }
}
