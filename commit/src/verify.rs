//! Checking a whole repository, such as an export that is to be imported.

use cid::Cid;
use nacre_crypto::{VerifyError, VerifyingKey};
use nacre_mst::{BlockSource, Tree, TreeError, Visit, Walk};
use nacre_syntax::{Did, RepoPath, RepoPathError};

use crate::block::{Commit, DecodeError};
use crate::cbor::cid_of;

/// A repository in which everything is as it should be.
///
/// Its records are the entries of the tree at `commit.data`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedRepo {
    /// The commit.
    pub commit: Commit,
    /// Its CID.
    pub cid: Cid,
    /// How many records there are.
    pub records: u64,
}

/// What is wrong with a repository.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RepoError<E> {
    /// The top block is not a commit.
    #[error("the commit cannot be read")]
    Commit(#[from] DecodeError),
    /// The repository is that of someone else.
    #[error("the repository is that of {0}")]
    Did(Did),
    /// A key of the tree is not the path of a record.
    #[error("the key of record {0} is not a path")]
    Path(Cid, #[source] RepoPathError),
    /// The signature is not by the key.
    #[error("the commit is not signed by the key")]
    Signature(#[from] VerifyError),
    /// A block is missing or not what it should be.
    #[error(transparent)]
    Tree(#[from] TreeError<E>),
}

/// Checks the whole repository of `did` whose commit is `root`: the signature if there is a key,
/// the tree with every rule that it has, each key, and the hash of every block, records included.
///
/// Of the blocks in a CAR, whatever is not reached from the root is not looked at. How many blocks
/// there may be is for the caller to limit, who has to hold them. The bytes of records are not
/// read.
///
/// # Errors
///
/// [`RepoError`] names the first thing that is wrong.
pub fn verify_blocks<S: BlockSource, D: AsRef<str>>(
    source: &S,
    root: Cid,
    did: &Did<D>,
    key: Option<&VerifyingKey>,
) -> Result<VerifiedRepo, RepoError<S::Error>> {
    let commit = check_hash(source, root, Commit::decode)??;
    if commit.did != *did {
        return Err(RepoError::Did(commit.did));
    }
    if let Some(key) = key {
        commit.verify(key)?;
    }
    let mut walk = Walk::new(source, Tree::load(commit.data).map_err(TreeError::from)?);
    let mut records = 0;
    while let Some(visit) = walk.step() {
        match visit? {
            Visit::Entry { key, value } => {
                RepoPath::parse(key).map_err(|error| RepoError::Path(value, error))?;
                check_hash(source, value, |_| ())?;
                records += 1;
            }
            Visit::Node { cid, bytes, .. } => {
                if cid_of(bytes) != cid {
                    return Err(TreeError::Hash(cid).into());
                }
            }
        }
    }
    Ok(VerifiedRepo { commit, cid: root, records })
}

/// Reads a block that must be there and have its hash.
fn check_hash<S: BlockSource, T>(
    source: &S,
    cid: Cid,
    read: impl FnOnce(&[u8]) -> T,
) -> Result<T, TreeError<S::Error>> {
    let block = source.block(&cid).map_err(TreeError::Source)?.ok_or(TreeError::Missing(cid))?;
    if cid_of(&block) == cid { Ok(read(&block)) } else { Err(TreeError::Hash(cid)) }
}
