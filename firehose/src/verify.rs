//! Whether the events of one repository are true, and follow each other.
//!
//! Specification: <https://atproto.com/specs/sync#authenticated-transfer>

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::convert::Infallible;

use cid::Cid;
use nacre_car::{CarError, Reader};
use nacre_commit::{Commit, DecodeError, InvertError, Op, invert};
use nacre_crypto::{VerifyError, VerifyingKey};
use nacre_mst::Tree;
use nacre_syntax::{Did, RepoPath, Tid};

use crate::{CommitView, Frame, SyncEvent};

/// Follows one repository through its events: what each says is checked against the one before.
///
/// It keeps a revision and the root of a tree, and no records. Events are handed to it in the order
/// in which they come; those of other accounts are for other verifiers.
///
/// A commit is checked as the specification says: its `blocks` are what their CIDs say, with the
/// signed commit at the root, every node that its operations went through and every new record; its
/// signature is that of the account's key; its operations, undone, lead to `prevData`. What takes a
/// clock, such as a revision of the future, and what takes the network, such as the account's key,
/// is for the caller.
#[derive(Clone, Debug)]
pub struct Verifier {
    did: Did,
    key: VerifyingKey,
    known: Option<Known>,
}

/// Where a repository stands, as far as a consumer knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// The revision of the last commit.
    pub rev: Tid,
    /// The root of its tree.
    pub data: Cid,
}

/// What an event, which is true, is to somebody with a copy of the repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// A commit that comes right after the last one: its operations are all that changes.
    Applies,
    /// The state of the repository, without all that led to it from what was known before. Whoever
    /// has a copy gets it anew; what comes next is checked against this state.
    Jumps,
    /// Nothing that was not known.
    Repeats,
    /// An event about something else than the repository's content. After an `#identity` the
    /// account may have another key: [`Verifier::set_key`].
    Unrelated,
}

/// Why an event is not true. Its sender is to blame, and nothing that was known has changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Untrue {
    /// The blocks are no CAR.
    #[error(transparent)]
    Car(#[from] CarError),
    /// The root of the blocks is no commit.
    #[error("the commit: {0}")]
    Commit(#[from] DecodeError),
    /// The event and the signed commit do not agree on this.
    #[error("the event and its commit have another {0}")]
    Disagrees(&'static str),
    /// The operations are not what was done to the tree.
    #[error(transparent)]
    Ops(#[from] InvertError<Infallible>),
    /// The blocks have no commit as their one root.
    #[error("there is no commit at the root of the blocks")]
    NoCommit,
    /// The blocks do not have this record.
    #[error("the record {0} is not among the blocks")]
    NoRecord(RepoPath),
    /// The event is of another account.
    #[error("the event is of another account")]
    OtherAccount,
    /// The operations lead from another tree than `prevData`, so that there were more.
    #[error("the operations are not all that was done")]
    PrevData,
    /// The signature is not that of the account's key.
    #[error("the signature: {0}")]
    Signature(#[from] VerifyError),
}

impl Verifier {
    /// Begins with nothing known of a repository.
    #[must_use]
    pub fn new(did: Did, key: VerifyingKey) -> Self {
        Self { did, key, known: None }
    }

    /// Goes on from where a copy of the repository stands.
    #[must_use]
    pub fn resume(did: Did, key: VerifyingKey, known: Known) -> Self {
        Self { did, key, known: Some(known) }
    }

    /// Returns where the repository stands.
    #[must_use]
    pub fn known(&self) -> Option<Known> {
        self.known
    }

    /// Takes the account's key as it is from now on.
    pub fn set_key(&mut self, key: VerifyingKey) {
        self.key = key;
    }

    /// Checks the next event.
    ///
    /// # Errors
    ///
    /// [`Untrue`] names the first thing that is wrong with the event.
    pub fn accept(&mut self, frame: &Frame<'_>) -> Result<Verdict, Untrue> {
        match frame {
            Frame::Commit(event) => self.accept_commit(event),
            Frame::Sync(event) => self.accept_sync(event),
            Frame::Account(event) => self.expect_own(event.did).map(|()| Verdict::Unrelated),
            Frame::Identity(event) => self.expect_own(event.did).map(|()| Verdict::Unrelated),
            Frame::Error(_) | Frame::Info(_) | Frame::Unknown(_) => Ok(Verdict::Unrelated),
        }
    }

    fn accept_commit(&mut self, event: &CommitView<'_>) -> Result<Verdict, Untrue> {
        self.expect_own(event.repo)?;
        let blocks = Blocks::read(event.blocks)?;
        let commit = self.signed(&blocks, event.rev)?;
        if blocks.root != event.commit {
            return Err(Untrue::Disagrees("commit"));
        }
        let missing =
            |op: &&crate::OpView<'_>| op.cid.is_some_and(|cid| !blocks.by_cid.contains_key(&cid));
        // Servers of before left out what changed where that was much.
        if !event.too_big
            && let Some(op) = event.ops.iter().find(missing)
        {
            return Err(Untrue::NoRecord(op.path.to_owned()));
        }
        let before = self.check_ops(event, &blocks, &commit)?;
        let now = Known { rev: commit.rev, data: commit.data };
        let verdict = match (self.known, before) {
            (Some(known), _) if now.rev <= known.rev => return Ok(Verdict::Repeats),
            (Some(known), Some(before))
                if event.since == Some(known.rev) && before == known.data =>
            {
                Verdict::Applies
            }
            // The first of all, before which there was nothing.
            (None, Some(before)) if event.since.is_none() && before == Tree::EMPTY.root() => {
                Verdict::Applies
            }
            _ => Verdict::Jumps,
        };
        self.known = Some(now);
        Ok(verdict)
    }

    /// Undoes the operations and returns the root of the tree before; `None` where the server is
    /// too old to say what it was, or left out what changed.
    fn check_ops(
        &self,
        event: &CommitView<'_>,
        blocks: &Blocks<'_>,
        commit: &Commit,
    ) -> Result<Option<Cid>, Untrue> {
        // Before the first commit there was nothing.
        let nothing = || event.since.is_none().then(|| Tree::EMPTY.root());
        let expected = event.prev_data.or_else(nothing);
        let (Some(expected), false) = (expected, event.too_big) else { return Ok(None) };
        let ops: Vec<_> = event.ops.iter().map(owned).collect();
        if invert(&blocks.by_cid, commit.data, &ops)? == expected {
            Ok(Some(expected))
        } else {
            Err(Untrue::PrevData)
        }
    }

    fn accept_sync(&mut self, event: &SyncEvent<'_>) -> Result<Verdict, Untrue> {
        self.expect_own(event.did)?;
        let blocks = Blocks::read(event.blocks)?;
        let commit = self.signed(&blocks, event.rev)?;
        let now = Known { rev: commit.rev, data: commit.data };
        if self.known.is_some_and(|known| now.rev <= known.rev) {
            return Ok(Verdict::Repeats);
        }
        match self.known.replace(now) {
            Some(known) if now.data == known.data => Ok(Verdict::Repeats),
            _ => Ok(Verdict::Jumps),
        }
    }

    /// Returns the signed commit at the root of the blocks.
    fn signed(&self, blocks: &Blocks<'_>, rev: Tid) -> Result<Commit, Untrue> {
        let block = blocks.by_cid.get(&blocks.root).ok_or(Untrue::NoCommit)?;
        let commit = Commit::decode(block)?;
        if commit.did != self.did {
            return Err(Untrue::Disagrees("account"));
        }
        if commit.rev != rev {
            return Err(Untrue::Disagrees("revision"));
        }
        commit.verify(&self.key)?;
        Ok(commit)
    }

    fn expect_own(&self, did: &str) -> Result<(), Untrue> {
        if did == self.did.as_str() { Ok(()) } else { Err(Untrue::OtherAccount) }
    }
}

/// The blocks of an event, each of which is what its CID says.
struct Blocks<'a> {
    root: Cid,
    by_cid: BTreeMap<Cid, &'a [u8]>,
}

impl<'a> Blocks<'a> {
    fn read(car: &'a [u8]) -> Result<Self, Untrue> {
        let reader = Reader::new(car)?;
        let [root] = *reader.roots() else { return Err(Untrue::NoCommit) };
        let mut by_cid = BTreeMap::new();
        for block in reader {
            let block = block?;
            by_cid.insert(block.cid, block.bytes);
        }
        Ok(Self { root, by_cid })
    }
}

fn owned(op: &crate::OpView<'_>) -> Op {
    Op { action: op.action, path: op.path.to_owned(), cid: op.cid, prev: op.prev }
}
