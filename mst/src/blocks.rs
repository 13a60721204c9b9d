//! A store of tree nodes in memory.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::convert::Infallible;

use cid::Cid;
use hashbrown::HashMap;
use nacre_cbor::Digest;

use crate::changes::Changes;
use crate::digest::link_to;
use crate::error::LinkError;
use crate::source::BlockSource;

/// Tree nodes in memory.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    by_digest: HashMap<Digest, Box<[u8]>>,
}

impl Blocks {
    /// Returns an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node. The caller must have checked that `bytes` match `cid`.
    ///
    /// # Errors
    ///
    /// [`LinkError`] if `cid` cannot be the CID of a node.
    pub fn insert(&mut self, cid: Cid, bytes: &[u8]) -> Result<(), LinkError> {
        self.by_digest.insert(link_to(cid)?, bytes.into());
        Ok(())
    }

    /// Applies an edit: adds the new nodes and drops the retired ones.
    pub fn apply(&mut self, changes: &Changes) {
        for digest in &changes.retired {
            self.by_digest.remove(digest);
        }
        for (digest, bytes) in changes.new_digests() {
            self.by_digest.insert(digest, bytes.into());
        }
    }

    /// Returns the number of distinct nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_digest.len()
    }

    /// Returns whether the store holds no nodes.
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
