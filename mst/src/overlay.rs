//! A block source that adds the new nodes of an edit to another source.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::Digest;

use crate::changes::Changes;
use crate::source::BlockSource;

/// The new nodes of an edit on top of the source that the edit read.
#[derive(Clone, Debug)]
pub struct Overlay<'a, S> {
    /// Sorted by digest.
    blocks: Vec<(Digest, &'a [u8])>,
    below: &'a S,
}

impl<'a, S> Overlay<'a, S> {
    /// Adds the new nodes of `changes` to `below`.
    #[must_use]
    pub fn new(changes: &'a Changes, below: &'a S) -> Self {
        let mut blocks: Vec<_> = changes.new_digests().collect();
        blocks.sort_unstable();
        Self { blocks, below }
    }

    /// Returns whether a node is one of the new nodes.
    #[must_use]
    pub fn is_new(&self, cid: &Cid) -> bool {
        self.find(cid).is_some()
    }

    fn find(&self, cid: &Cid) -> Option<&'a [u8]> {
        let digest = Digest::from_cid(cid)?;
        let index = self.blocks.binary_search_by_key(&digest, |(own, _)| *own).ok()?;
        Some(self.blocks[index].1)
    }
}

impl<S: BlockSource> BlockSource for Overlay<'_, S> {
    type Error = S::Error;

    const VERIFIED: bool = S::VERIFIED;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error> {
        match self.find(cid) {
            Some(bytes) => Ok(Some(Cow::Borrowed(bytes))),
            None => self.below.block(cid),
        }
    }
}
