//! Where a tree gets its blocks from.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use core::convert::Infallible;

use cid::Cid;

use crate::digest::Digest;
use crate::error::TreeError;

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

/// Gets a block that must be there.
pub(crate) fn fetch<S: BlockSource>(
    source: &S,
    digest: Digest,
) -> Result<Cow<'_, [u8]>, TreeError<S::Error>> {
    let cid = digest.to_cid();
    source.block(&cid).map_err(TreeError::Source)?.ok_or(TreeError::Missing(cid))
}
