//! Where a tree gets its blocks from.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::convert::Infallible;

use cid::Cid;

/// Supplies blocks to a tree; how they are stored is the caller's business.
///
/// The tree checks what a block says but does not hash it again: bytes from a stranger must have
/// been compared with their CID on the way in. [`verify`](crate::verify) is the exception and
/// hashes all.
pub trait BlockSource {
    /// What a failing store reports; an absent block is not a failure.
    type Error;

    /// Returns the bytes of `cid`, or `None` if this source does not hold it.
    ///
    /// # Errors
    ///
    /// The store's own, when it cannot tell.
    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error>;
}

impl<S: BlockSource + ?Sized> BlockSource for &S {
    type Error = S::Error;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error> {
        (**self).block(cid)
    }
}

impl<B: AsRef<[u8]>> BlockSource for BTreeMap<Cid, B> {
    type Error = Infallible;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error> {
        Ok(self.get(cid).map(|bytes| Cow::Borrowed(bytes.as_ref())))
    }
}

/// A block and its CID.
pub type Block = (Cid, Vec<u8>);

/// New blocks over a source that does not hold them yet.
#[derive(Clone, Debug)]
pub struct Overlay<'a, S> {
    blocks: BTreeMap<Cid, &'a [u8]>,
    below: &'a S,
}

impl<'a, S: BlockSource> Overlay<'a, S> {
    /// Lays `blocks` over `below`.
    #[must_use]
    pub fn new(blocks: &'a [Block], below: &'a S) -> Self {
        let blocks = blocks.iter().map(|(cid, bytes)| (*cid, bytes.as_slice())).collect();
        Self { blocks, below }
    }
}

impl<S: BlockSource> BlockSource for Overlay<'_, S> {
    type Error = S::Error;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error> {
        match self.blocks.get(cid) {
            Some(bytes) => Ok(Some(Cow::Borrowed(bytes))),
            None => self.below.block(cid),
        }
    }
}
