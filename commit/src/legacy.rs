//! Commits of version 2 without a `rev`.
//!
//! Specification: <https://atproto.com/specs/repository#commit-objects>

use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::Reader;
use nacre_crypto::{Signature, VerifyError, VerifyingKey};
use nacre_syntax::Did;

use crate::block::{DecodeError, Fields, Version, cid_of, link, link_or_null, small, write_block};

/// A signed commit of version 2 without a `rev`, as old repositories still have.
///
/// Reading it allows imports of such a repository. A commit of version 2 with a `rev` is a
/// [`Commit`](crate::Commit).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LegacyCommit {
    /// The account, whose DID document has the key for [`sig`](Self::sig).
    pub did: Did,
    /// The CID of the root node of the tree.
    pub data: Cid,
    /// The previous commit, or `None` for the first one.
    pub prev: Option<Cid>,
    /// The low-S signature over the SHA-256 of the commit without this field.
    pub sig: Signature,
}

impl LegacyCommit {
    /// Decodes a commit without verifying its signature: see [`Self::verify`].
    ///
    /// The block must be the canonical encoding of exactly `did`, `sig`, `data`, `prev` and
    /// `version`, and have at most [`MAX_COMMIT_BYTES`](crate::MAX_COMMIT_BYTES).
    ///
    /// # Errors
    ///
    /// [`DecodeError`] names the first rule broken.
    pub fn decode(block: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::open(block, 5)?;
        let did = fields.field("did", Reader::text)?;
        let sig = fields.field("sig", Reader::bytes)?;
        let data = fields.field("data", link)?;
        let prev = fields.field("prev", link_or_null)?;
        let version = fields.field("version", small)?;
        fields.end()?;
        if Version::from_number(version) != Some(Version::V2) {
            return Err(DecodeError::Version);
        }
        let sig = Signature::from_slice(sig).map_err(|_| DecodeError::Sig)?;
        Ok(Self { did: Did::parse(did)?.to_owned(), data, prev, sig })
    }

    /// Returns the block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.write(Some(&self.sig))
    }

    /// Returns the CID of the block.
    #[must_use]
    pub fn cid(&self) -> Cid {
        cid_of(&self.encode())
    }

    /// Verifies the signature, which must be low-S.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] if the key did not sign this commit.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), VerifyError> {
        key.verify(&self.write(None), &self.sig)
    }

    fn write(&self, sig: Option<&Signature>) -> Vec<u8> {
        write_block(&self.did, None, sig, &self.data, self.prev.as_ref(), Version::V2)
    }
}
