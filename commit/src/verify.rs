//! Checking a whole repository, such as an export that is to be imported.

use cid::Cid;
use nacre_car::{CarError, Lookup};
use nacre_crypto::{VerifyError, VerifyingKey};
use nacre_mst::{BlockSource, EMPTY_NODE, Steps, Tree, TreeError, Visit, Walk};
use nacre_syntax::{Did, Nsid, RepoPath, RepoPathError};

use crate::block::{Commit, DecodeError};
use crate::cbor::cid_of;

/// A repository that was checked: its DID, its tree and paths, the hash of every block, and the
/// signature if there was a key.
///
/// Its records are the entries of the tree at `commit.data`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedRepo {
    /// The commit at the top, with the DID that was asked for.
    pub commit: Commit,
    /// The CID of its block, the root of the CAR.
    pub cid: Cid,
    /// How many records the tree has; two of equal content count as two.
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
    /// The CAR has so many roots, and not one.
    #[error("a repository has one root and not {0}")]
    Roots(usize),
    /// The signature is not by the key.
    #[error("the commit is not signed by the key")]
    Signature(#[from] VerifyError),
    /// A block is missing or not what it should be.
    #[error(transparent)]
    Tree(#[from] TreeError<E>),
}

/// Checks the commit of a repository in a CAR: that there is one root, that it is of `did`, and the
/// signature, if there is a key.
///
/// The rest is checked while the [`Records`] are read: with each the part of the tree that leads to
/// it, every rule that a tree has, and the hash of every block. Only when
/// [`next_record`](Records::next_record) has returned `None`, or [`finish`](Records::finish) `Ok`,
/// is all of the repository right.
///
/// A CAR that has the commit first and then the tree in pre-order, each record at its entry, is
/// gone through once, in constant memory, and what follows the last block that is needed is not
/// read. Any other is read and hashed whole, at the first block that is not where it is expected,
/// for an index of 8 to 20 bytes a block; it has to be below 4 GiB. How many blocks there may be is
/// for the caller to limit, who has to hold them.
///
/// # Errors
///
/// [`RepoError`] if the CAR has not one root, or the commit is not right.
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
#[must_use = "what was not read is not verified"]
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
    /// The collection and the record key, both checked by their grammars.
    pub path: RepoPath<&'r str>,
    /// The CID that the tree has for it, and that its block has.
    pub cid: Cid,
    /// Its block. That it is a record is for the caller to check.
    pub bytes: &'a [u8],
}

impl<'a> Records<'a> {
    /// Returns the commit. Its DID is checked, and its signature if there was a key, whatever
    /// follows.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.repo.commit
    }

    /// Returns the next record, or `None` when the whole repository was found right.
    ///
    /// # Errors
    ///
    /// [`RepoError`] names the first thing that is wrong, from then on always the same.
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

    /// Verifies what is left, and returns what the repository is.
    ///
    /// # Errors
    ///
    /// As for [`Self::next_record`].
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
        // The empty tree is known, and need not be in the CAR.
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

/// Finds a block that must be there.
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

/// Checks the whole repository of `did` whose commit is `root`, where its blocks are in a store:
/// all that [`verify_repo`] does.
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

/// Reads a block that must be there and have its hash.
fn check_hash<S: BlockSource, T>(
    source: &S,
    cid: Cid,
    read: impl FnOnce(&[u8]) -> T,
) -> Result<T, TreeError<S::Error>> {
    let block = source.block(&cid).map_err(TreeError::Source)?.ok_or(TreeError::Missing(cid))?;
    if cid_of(&block) == cid { Ok(read(&block)) } else { Err(TreeError::Hash(cid)) }
}
