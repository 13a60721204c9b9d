//! Where a tree gets its blocks from.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::convert::Infallible;

use cid::Cid;
use hashbrown::HashMap;

use crate::changes::Changes;
use crate::digest::Digest;
use crate::error::{LinkError, TreeError};

/// Supplies blocks to a tree; how they are stored is the caller's business.
///
/// The tree checks what a block says but does not hash it again: bytes from a stranger must have
/// been compared with their CID on the way in. [`verify`](crate::verify) is the exception and
/// hashes all.
pub trait BlockSource {
    /// What a failing store reports; an absent block is not a failure.
    type Error;

    /// Whether all nodes were made by this crate or are of trees that were verified, as in a store
    /// of one's own. Single operations and [`diff`](crate::diff) then do not hash the keys that
    /// they meet a second time, to see if they are on the right level; [`Steps`](crate::Steps),
    /// [`Walk`](crate::Walk), [`verify`](crate::verify) and the iterators do so in any case.
    const VERIFIED: bool = false;

    /// Returns the bytes of `cid`, or `None` if this source does not hold it.
    ///
    /// # Errors
    ///
    /// The store's own, when it cannot tell.
    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error>;
}

impl<S: BlockSource + ?Sized> BlockSource for &S {
    type Error = S::Error;

    const VERIFIED: bool = S::VERIFIED;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error> {
        (**self).block(cid)
    }
}

/// A source of which the caller knows that it is [`VERIFIED`](BlockSource::VERIFIED).
#[derive(Clone, Copy, Debug)]
pub struct Verified<S>(pub S);

impl<S: BlockSource> BlockSource for Verified<S> {
    type Error = S::Error;

    const VERIFIED: bool = true;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error> {
        self.0.block(cid)
    }
}

impl<B: AsRef<[u8]>> BlockSource for BTreeMap<Cid, B> {
    type Error = Infallible;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error> {
        Ok(self.get(cid).map(|bytes| Cow::Borrowed(bytes.as_ref())))
    }
}

/// The block of a node, borrowed from its source where that can lend, and the CID it is known by.
pub type Block<'b> = (Cid, Cow<'b, [u8]>);

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

/// The new nodes of an edit over the source that the edit read, which does not hold them yet.
#[derive(Clone, Debug)]
pub struct Overlay<'a, S> {
    /// In the order of their digests.
    blocks: Vec<(Digest, &'a [u8])>,
    below: &'a S,
}

impl<'a, S> Overlay<'a, S> {
    /// Lays the new nodes of `changes` over `below`.
    #[must_use]
    pub fn new(changes: &'a Changes, below: &'a S) -> Self {
        let mut blocks: Vec<_> = changes.new_digests().collect();
        blocks.sort_unstable();
        Self { blocks, below }
    }

    /// Returns whether a node is one of the new ones.
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

/// Gets a block that must be there.
pub(crate) fn fetch<S: BlockSource>(
    source: &S,
    digest: Digest,
) -> Result<Cow<'_, [u8]>, TreeError<S::Error>> {
    let cid = digest.to_cid();
    source.block(&cid).map_err(TreeError::Source)?.ok_or(TreeError::Missing(cid))
}
