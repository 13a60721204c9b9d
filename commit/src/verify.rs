//! Verification of a whole repository, such as an export before an import.

use cid::Cid;
use nacre_car::{CarError, Lookup};
use nacre_crypto::{VerifyError, VerifyingKey};
use nacre_mst::{BlockSource, EMPTY_NODE, Steps, Tree, TreeError, Visit, Walk};
use nacre_syntax::{Did, Nsid, RepoPath, RepoPathError};

use crate::block::{Commit, DecodeError, cid_of};

/// A verified repository: its DID, tree, paths, the hash of every block, and the signature if a key
/// was passed.
///
/// Its records are the entries of the tree at `commit.data`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedRepo {
    /// The commit, which has the expected DID.
    pub commit: Commit,
    /// The CID of the commit, the root of the CAR.
    pub cid: Cid,
    /// The number of entries of the tree. Two records with the same content count as two.
    pub records: u64,
}

/// Why a repository is invalid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RepoError<E> {
    /// The root block is not a commit.
    #[error("the root block is not a valid commit")]
    Commit(#[from] DecodeError),
    /// The repository belongs to another account.
    #[error("the repository belongs to {0}")]
    Did(Did),
    /// A key of the tree is not a valid repo path.
    #[error("the key of record {0} is not a valid path")]
    Path(Cid, #[source] RepoPathError),
    /// The CAR has this number of roots instead of one.
    #[error("expected one root, found {0}")]
    Roots(usize),
    /// The signature does not verify with the key.
    #[error("the commit is not signed by the key")]
    Signature(#[from] VerifyError),
    /// A block is missing or invalid.
    #[error(transparent)]
    Tree(#[from] TreeError<E>),
}

/// Verifies the commit of a repository in a CAR: that it is the only root, that it belongs to
/// `did`, and its signature if a key is passed.
///
/// Reading the [`Records`] verifies the rest: the nodes that lead to each record, every rule of a
/// tree, and the hash of every block. The whole repository is valid only once
/// [`next_record`](Records::next_record) returns `None` or [`finish`](Records::finish) returns
/// `Ok`.
///
/// A CAR with the commit first and then the tree in pre-order, each record at its entry, is read
/// once in constant memory, up to the last needed block. In any other order, the first block out of
/// place causes the whole CAR to be read and hashed for an index of 8 to 20 bytes a block. It must
/// then be smaller than 4 GiB. The number of blocks is not limited here, because the caller already
/// holds the CAR.
///
/// # Errors
///
/// [`RepoError`] if the CAR does not have exactly one root, or the commit is invalid.
pub fn verify_repo<'a, D: AsRef<str>>(
    car: &'a [u8],
    did: &Did<D>,
    key: Option<&VerifyingKey>,
) -> Result<Records<'a>, RepoError<CarError>> {
    let mut blocks = Lookup::new(car).map_err(TreeError::Source)?;
    let [cid] = *blocks.roots() else { return Err(RepoError::Roots(blocks.roots().len())) };
    let commit = Commit::decode(find(&mut blocks, cid)?)?;
    check_commit(&commit, did, key)?;
    let steps = Steps::new(Tree::load(commit.data).map_err(TreeError::from)?);
    let repo = VerifiedRepo { commit, cid, records: 0 };
    Ok(Records { repo, blocks, steps, collection: None, failed: None })
}

/// The records of a repository that is being verified, in the order of their paths.
#[derive(Clone, Debug)]
#[must_use = "records that are not read are not verified"]
pub struct Records<'a> {
    repo: VerifiedRepo,
    blocks: Lookup<'a>,
    steps: Steps<'a>,
    /// The collection of the last record.
    collection: Option<Nsid>,
    failed: Option<RepoError<CarError>>,
}

/// A record of a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record<'r, 'a> {
    /// The collection and the record key, both with valid syntax.
    pub path: RepoPath<&'r str>,
    /// The CID of the record, which its block matches.
    pub cid: Cid,
    /// The block. The caller checks whether it is a valid record.
    pub bytes: &'a [u8],
}

impl<'a> Records<'a> {
    /// Returns the commit, whose DID is already verified, and whose signature is if a key was
    /// passed.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.repo.commit
    }

    /// Returns the next record, or `None` when the whole repository is verified.
    ///
    /// # Errors
    ///
    /// [`RepoError`] names the first error. Later calls return the same one.
    pub fn next_record(&mut self) -> Result<Option<Record<'_, 'a>>, RepoError<CarError>> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let Self { repo, blocks, steps, collection, failed } = self;
        let next = read_next(steps, blocks, collection);
        match &next {
            Ok(Some(_)) => repo.records += 1,
            Ok(None) => {}
            Err(error) => *failed = Some(error.clone()),
        }
        next
    }

    /// Verifies the rest of the repository.
    ///
    /// # Errors
    ///
    /// Those of [`Self::next_record`].
    pub fn finish(mut self) -> Result<VerifiedRepo, RepoError<CarError>> {
        while self.next_record()?.is_some() {}
        Ok(self.repo)
    }
}

fn read_next<'r, 'a>(
    steps: &'r mut Steps<'a>,
    blocks: &mut Lookup<'a>,
    collection: &mut Option<Nsid>,
) -> Result<Option<Record<'r, 'a>>, RepoError<CarError>> {
    while let Some(cid) = steps.wanted() {
        // A CAR may omit the root of the empty tree.
        let is_empty = cid == Tree::EMPTY.root();
        let block = if is_empty { &EMPTY_NODE } else { find(blocks, cid)? };
        steps.enter(block).map_err(TreeError::from)?;
        blocks.prefetch(steps.upcoming());
    }
    let Some((key, cid)) = steps.next_entry().map_err(TreeError::from)? else { return Ok(None) };
    let path = match collection {
        Some(collection) => RepoPath::parse_in(collection, key),
        None => RepoPath::parse(key),
    };
    let path = path.map_err(|error| RepoError::Path(cid, error))?;
    if collection.as_ref().is_none_or(|last| !path.is_in(last)) {
        *collection = Some(path.collection().to_owned());
    }
    let bytes = find(blocks, cid)?;
    Ok(Some(Record { path, cid, bytes }))
}

/// Returns a block, or an error if the CAR does not hold it.
fn find<'a>(blocks: &mut Lookup<'a>, cid: Cid) -> Result<&'a [u8], TreeError<CarError>> {
    blocks.block(&cid).map_err(TreeError::Source)?.ok_or(TreeError::Missing(cid))
}

fn check_commit<E, D: AsRef<str>>(
    commit: &Commit,
    did: &Did<D>,
    key: Option<&VerifyingKey>,
) -> Result<(), RepoError<E>> {
    if commit.did != *did {
        return Err(RepoError::Did(commit.did.clone()));
    }
    if let Some(key) = key {
        commit.verify(key)?;
    }
    Ok(())
}

/// Verifies the repository of `did` with the commit `root` in a store, like [`verify_repo`].
///
/// # Errors
///
/// [`RepoError`] names the first error.
pub fn verify_blocks<S: BlockSource, D: AsRef<str>>(
    source: &S,
    root: Cid,
    did: &Did<D>,
    key: Option<&VerifyingKey>,
) -> Result<VerifiedRepo, RepoError<S::Error>> {
    let commit = check_hash(source, root, Commit::decode)??;
    check_commit(&commit, did, key)?;
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

/// Reads a block and checks its hash.
fn check_hash<S: BlockSource, T>(
    source: &S,
    cid: Cid,
    read: impl FnOnce(&[u8]) -> T,
) -> Result<T, TreeError<S::Error>> {
    let block = source.block(&cid).map_err(TreeError::Source)?.ok_or(TreeError::Missing(cid))?;
    if cid_of(&block) == cid { Ok(read(&block)) } else { Err(TreeError::Hash(cid)) }
}
