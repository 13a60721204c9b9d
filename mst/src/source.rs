//! Sources of blocks.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use core::convert::Infallible;

use cid::Cid;
use nacre_cbor::Digest;

use crate::error::TreeError;

/// Supplies the blocks of a tree.
///
/// Operations validate the content of a block but do not hash it. Blocks from an untrusted peer
/// must be compared with their CIDs when they are stored. Only [`verify`](crate::verify) hashes
/// all blocks itself.
pub trait BlockSource {
    /// The error of a failing store. An absent block is not an error.
    type Error;

    /// Whether all nodes were created by this crate or belong to verified trees.
    ///
    /// If so, single operations and [`diff`](crate::diff) do not hash keys again to check their
    /// heights. [`Steps`](crate::Steps), [`Walk`](crate::Walk), [`verify`](crate::verify) and the
    /// iterators always do.
    const VERIFIED: bool = false;

    /// Returns the block with this CID, or `None` if the source does not hold it.
    ///
    /// # Errors
    ///
    /// The store's own error.
    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error>;
}

impl<S: BlockSource + ?Sized> BlockSource for &S {
    type Error = S::Error;

    const VERIFIED: bool = S::VERIFIED;

    fn block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, Self::Error> {
        (**self).block(cid)
    }
}

/// Marks a source as [`VERIFIED`](BlockSource::VERIFIED).
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

/// A block and its CID. The block is borrowed from its source if possible.
pub type Block<'b> = (Cid, Cow<'b, [u8]>);

/// Returns a block, or an error if the source does not hold it.
pub(crate) fn fetch<S: BlockSource>(
    source: &S,
    digest: Digest,
) -> Result<Cow<'_, [u8]>, TreeError<S::Error>> {
    let cid = digest.to_cid();
    source.block(&cid).map_err(TreeError::Source)?.ok_or(TreeError::Missing(cid))
}
