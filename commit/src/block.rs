//! Signed commits.
//!
//! Specification: <https://atproto.com/specs/repository#commit-objects>

use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::{
    Digest, Major, ReadError, Reader, write_bytes, write_cid, write_integer, write_key, write_map,
    write_null, write_text,
};
use nacre_crypto::{Signature, SigningKey, VerifyError, VerifyingKey};
use nacre_syntax::{Did, DidError, Tid, TidError};
use sha2::{Digest as _, Sha256};

/// The largest commit, in bytes. With the longest DID a commit has 2,245.
pub const MAX_COMMIT_BYTES: usize = 4096;

/// A signed commit: the root block of a repository.
///
/// <https://atproto.com/specs/repository#commit-objects>
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Commit {
    /// The account, whose DID document has the key for [`sig`](Self::sig).
    pub did: Did,
    /// The version of the repository format.
    pub version: Version,
    /// The CID of the root node of the tree.
    pub data: Cid,
    /// The revision: the time of the commit, greater than that of every commit before it.
    pub rev: Tid,
    /// The previous commit. This crate always writes `None`, and other servers almost always do.
    pub prev: Option<Cid>,
    /// The low-S signature over the SHA-256 of the commit without this field.
    pub sig: Signature,
}

/// A commit that is not signed yet: version 3, with `prev` null.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnsignedCommit {
    /// The account that signs.
    pub did: Did,
    /// The CID of the root node of the tree.
    pub data: Cid,
    /// The revision. The caller must ensure that it exceeds the last one;
    /// [`commit`](crate::commit) checks it.
    pub rev: Tid,
}

/// The version of the repository format of a commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// The previous version: decoded and encoded, but never signed here.
    V2,
    /// The current version.
    V3,
}

/// Why a block is not a commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The block is not the canonical DAG-CBOR of a commit with exactly its fields. The first
    /// deviation is in the field that starts at this offset.
    #[error("not the canonical encoding of a commit at byte {0}")]
    Cbor(usize),
    /// The DID is invalid.
    #[error(transparent)]
    Did(#[from] DidError),
    /// The revision is not a TID.
    #[error(transparent)]
    Rev(#[from] TidError),
    /// The signature does not have 64 bytes.
    #[error("a signature has 64 bytes")]
    Sig,
    /// The block is larger than [`MAX_COMMIT_BYTES`].
    #[error("a commit has at most 4096 bytes")]
    Size,
    /// The version is neither 2 nor 3, or is not 2 in a commit without a `rev`.
    #[error("unsupported commit version")]
    Version,
}

impl Commit {
    /// Decodes a commit without verifying its signature: see [`Commit::verify`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] names the first rule broken.
    pub fn decode(block: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::open(block, 6)?;
        let did = fields.field("did", Reader::text)?;
        let rev = fields.field("rev", Reader::text)?;
        let sig = fields.field("sig", Reader::bytes)?;
        let data = fields.field("data", link)?;
        let prev = fields.field("prev", link_or_null)?;
        let version = fields.field("version", small)?;
        fields.end()?;
        Ok(Self {
            did: Did::parse(did)?.to_owned(),
            version: Version::from_number(version).ok_or(DecodeError::Version)?,
            data,
            rev: Tid::parse(rev)?,
            prev,
            sig: Signature::from_slice(sig).map_err(|_| DecodeError::Sig)?,
        })
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

    /// Encodes the block, or without a signature the bytes to sign.
    fn write(&self, sig: Option<&Signature>) -> Vec<u8> {
        let Self { did, version, data, rev, prev, .. } = self;
        write_block(did, Some(rev), sig, data, prev.as_ref(), *version)
    }
}

impl UnsignedCommit {
    /// Signs the commit.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> Commit {
        let mut commit = Commit {
            did: self.did,
            version: Version::V3,
            data: self.data,
            rev: self.rev,
            prev: None,
            sig: Signature::from_bytes([0; Signature::LEN]),
        };
        commit.sig = key.sign(&commit.write(None));
        commit
    }
}

impl Version {
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            _ => None,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// Returns the CID of a DAG-CBOR block.
pub(crate) fn cid_of(block: &[u8]) -> Cid {
    Digest(Sha256::digest(block).into()).to_cid()
}

/// Encodes a block with the present fields in canonical order.
pub(crate) fn write_block(
    did: &Did,
    rev: Option<&Tid>,
    sig: Option<&Signature>,
    data: &Cid,
    prev: Option<&Cid>,
    version: Version,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(did.as_str().len() + 256);
    write_map(&mut out, 4 + usize::from(rev.is_some()) + usize::from(sig.is_some()));
    write_key(&mut out, "did");
    write_text(&mut out, did.as_str());
    if let Some(rev) = rev {
        write_key(&mut out, "rev");
        write_text(&mut out, core::str::from_utf8(&rev.to_ascii()).expect("a TID is ASCII"));
    }
    if let Some(sig) = sig {
        write_key(&mut out, "sig");
        write_bytes(&mut out, sig.as_bytes());
    }
    write_key(&mut out, "data");
    write_cid(&mut out, data);
    write_key(&mut out, "prev");
    match prev {
        Some(prev) => write_cid(&mut out, prev),
        None => write_null(&mut out),
    }
    write_key(&mut out, "version");
    write_integer(&mut out, version.number().into());
    out
}

/// A reader of the fields of a block.
pub(crate) struct Fields<'a> {
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    /// Opens a block with this many fields.
    pub(crate) fn open(block: &'a [u8], count: usize) -> Result<Self, DecodeError> {
        if block.len() > MAX_COMMIT_BYTES {
            return Err(DecodeError::Size);
        }
        let mut reader = Reader::new(block);
        match reader.map() {
            Ok(found) if found == count => Ok(Self { reader }),
            _ => Err(DecodeError::Cbor(0)),
        }
    }

    pub(crate) fn field<T>(
        &mut self,
        name: &str,
        value: impl FnOnce(&mut Reader<'a>) -> Result<T, ReadError>,
    ) -> Result<T, DecodeError> {
        let at = self.reader.offset();
        let read = |reader: &mut Reader<'a>| {
            let len = reader.head_of(Major::Text)?;
            if reader.take(len)? == name.as_bytes() {
                value(reader)
            } else {
                Err(ReadError::Type(at))
            }
        };
        read(&mut self.reader).map_err(|_| DecodeError::Cbor(at))
    }

    /// Checks that nothing follows the last field.
    pub(crate) fn end(self) -> Result<(), DecodeError> {
        let Self { reader } = self;
        if reader.is_at_end() { Ok(()) } else { Err(DecodeError::Cbor(reader.offset())) }
    }
}

/// Reads an integer below 24.
pub(crate) fn small(reader: &mut Reader<'_>) -> Result<u8, ReadError> {
    let at = reader.offset();
    let value = u8::try_from(reader.unsigned()?).ok();
    value.filter(|value| *value < 24).ok_or(ReadError::Integer(at))
}

/// Reads a link to a DAG-CBOR block.
pub(crate) fn link(reader: &mut Reader<'_>) -> Result<Cid, ReadError> {
    Ok(Digest(*reader.digest()?).to_cid())
}

pub(crate) fn link_or_null(reader: &mut Reader<'_>) -> Result<Option<Cid>, ReadError> {
    if reader.eat_null() { Ok(None) } else { link(reader).map(Some) }
}
