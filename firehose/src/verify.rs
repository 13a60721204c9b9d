//! Verification of the events of one repository.
//!
//! Specification: <https://atproto.com/specs/sync#authenticated-transfer>

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::convert::Infallible;

use cid::Cid;
use nacre_car::{CarError, Reader};
use nacre_commit::{Commit, DecodeError, InvertError, Op, invert};
use nacre_crypto::VerifyingKey;
use nacre_mst::Tree;
use nacre_syntax::{Did, RepoPath, Tid};

use crate::{CommitView, Frame, SyncEvent};

/// Verifies the events of one repository, each against the state after the one before.
///
/// It stores a revision and the root of a tree, but no records. Pass it the events of its account
/// in the order of the stream.
///
/// A commit must satisfy the specification: its `blocks` match their CIDs and contain the signed
/// commit as the root, every node that its operations touched and every new record; its signature
/// verifies with the account's key; inverting its operations leads to `prevData`. Checks that need
/// a clock, such as for a rev in the future, or the network, such as for the account's current key,
/// are up to the caller.
#[derive(Clone, Debug)]
pub struct Verifier {
    did: Did,
    key: VerifyingKey,
    state: Option<RepoState>,
}

/// The state of a repository after its last verified commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RepoState {
    /// The revision of the commit.
    pub rev: Tid,
    /// The root of its tree.
    pub data: Cid,
}

/// How a valid event relates to the state before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// The event repeats a known state or an older one.
    Duplicate,
    /// The event is valid, but commits before it are missing. Fetch the repository again. Later
    /// events are verified against the state after this one.
    Gap,
    /// The commit directly follows the known state. Applying its operations updates a copy.
    Next,
    /// The event does not change the repository. After an `#identity` event the account may have
    /// another key: see [`Verifier::set_key`].
    Unrelated,
}

/// Why an event is invalid. The verifier's state does not change.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The blocks are not a valid CAR.
    #[error(transparent)]
    Car(#[from] CarError),
    /// The root of the blocks is not a valid commit.
    #[error("invalid commit: {0}")]
    Commit(#[from] DecodeError),
    /// This field of the event does not match the signed commit.
    #[error("event and signed commit disagree on the {0}")]
    Mismatch(&'static str),
    /// The blocks do not contain a commit as their only root.
    #[error("the root of the blocks is not a commit")]
    MissingCommit,
    /// The blocks do not contain this record.
    #[error("record {0} is missing from the blocks")]
    MissingRecord(RepoPath),
    /// The operations cannot be inverted.
    #[error(transparent)]
    Ops(#[from] InvertError<Infallible>),
    /// The event belongs to another account.
    #[error("the event belongs to another account")]
    OtherAccount,
    /// Inverting the operations does not lead to `prevData`, so some are missing.
    #[error("the operations do not lead from prevData to the commit")]
    PrevData,
    /// The signature does not verify with the account's key.
    #[error("invalid signature: {0}")]
    Signature(#[from] nacre_crypto::VerifyError),
}

impl Verifier {
    /// Starts without a known state.
    #[must_use]
    pub fn new(did: Did, key: VerifyingKey) -> Self {
        Self { did, key, state: None }
    }

    /// Resumes from the state of a copy of the repository.
    #[must_use]
    pub fn resume(did: Did, key: VerifyingKey, state: RepoState) -> Self {
        Self { did, key, state: Some(state) }
    }

    /// Returns the state after the last verified commit, or `None` before the first.
    #[must_use]
    pub fn state(&self) -> Option<RepoState> {
        self.state
    }

    /// Sets the account's key for the following events.
    pub fn set_key(&mut self, key: VerifyingKey) {
        self.key = key;
    }

    /// Verifies the next event and updates the state.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] names the first rule that the event breaks.
    pub fn accept(&mut self, frame: &Frame<'_>) -> Result<Verdict, VerifyError> {
        match frame {
            Frame::Commit(event) => self.accept_commit(event),
            Frame::Sync(event) => self.accept_sync(event),
            Frame::Account(event) => {
                self.expect_own_account(event.did).map(|()| Verdict::Unrelated)
            }
            Frame::Identity(event) => {
                self.expect_own_account(event.did).map(|()| Verdict::Unrelated)
            }
            Frame::Error(_) | Frame::Info(_) | Frame::Unknown(_) => Ok(Verdict::Unrelated),
        }
    }

    fn accept_commit(&mut self, event: &CommitView<'_>) -> Result<Verdict, VerifyError> {
        self.expect_own_account(event.repo)?;
        let blocks = Blocks::read(event.blocks)?;
        let commit = self.signed_commit(&blocks, event.rev)?;
        if blocks.root != event.commit {
            return Err(VerifyError::Mismatch("commit"));
        }
        let missing =
            |op: &&crate::OpView<'_>| op.cid.is_some_and(|cid| !blocks.by_cid.contains_key(&cid));
        // Older servers omitted blocks and operations of large commits.
        if !event.too_big
            && let Some(op) = event.ops.iter().find(missing)
        {
            return Err(VerifyError::MissingRecord(op.path.to_owned()));
        }
        let before = self.check_ops(event, &blocks, &commit)?;
        let new = RepoState { rev: commit.rev, data: commit.data };
        let verdict = match (self.state, before) {
            (Some(last), _) if new.rev <= last.rev => return Ok(Verdict::Duplicate),
            (Some(last), Some(before)) if event.since == Some(last.rev) && before == last.data => {
                Verdict::Next
            }
            // The first commit of the repository.
            (None, Some(before)) if event.since.is_none() && before == Tree::EMPTY.root() => {
                Verdict::Next
            }
            _ => Verdict::Gap,
        };
        self.state = Some(new);
        Ok(verdict)
    }

    /// Inverts the operations and returns the root of the tree before them. Returns `None` if an
    /// older server sent no `prevData` or omitted operations.
    fn check_ops(
        &self,
        event: &CommitView<'_>,
        blocks: &Blocks<'_>,
        commit: &Commit,
    ) -> Result<Option<Cid>, VerifyError> {
        // The first commit starts from the empty tree.
        let empty = || event.since.is_none().then(|| Tree::EMPTY.root());
        let expected = event.prev_data.or_else(empty);
        let (Some(expected), false) = (expected, event.too_big) else { return Ok(None) };
        let ops: Vec<_> = event.ops.iter().map(owned).collect();
        if invert(&blocks.by_cid, commit.data, &ops)? == expected {
            Ok(Some(expected))
        } else {
            Err(VerifyError::PrevData)
        }
    }

    fn accept_sync(&mut self, event: &SyncEvent<'_>) -> Result<Verdict, VerifyError> {
        self.expect_own_account(event.did)?;
        let blocks = Blocks::read(event.blocks)?;
        let commit = self.signed_commit(&blocks, event.rev)?;
        let new = RepoState { rev: commit.rev, data: commit.data };
        if self.state.is_some_and(|last| new.rev <= last.rev) {
            return Ok(Verdict::Duplicate);
        }
        match self.state.replace(new) {
            Some(last) if new.data == last.data => Ok(Verdict::Duplicate),
            _ => Ok(Verdict::Gap),
        }
    }

    /// Returns the commit at the root of the blocks after verifying its signature.
    fn signed_commit(&self, blocks: &Blocks<'_>, rev: Tid) -> Result<Commit, VerifyError> {
        let block = blocks.by_cid.get(&blocks.root).ok_or(VerifyError::MissingCommit)?;
        let commit = Commit::decode(block)?;
        if commit.did != self.did {
            return Err(VerifyError::Mismatch("account"));
        }
        if commit.rev != rev {
            return Err(VerifyError::Mismatch("revision"));
        }
        commit.verify(&self.key)?;
        Ok(commit)
    }

    fn expect_own_account(&self, did: &str) -> Result<(), VerifyError> {
        if did == self.did.as_str() { Ok(()) } else { Err(VerifyError::OtherAccount) }
    }
}

/// The blocks of an event, checked against their CIDs.
struct Blocks<'a> {
    root: Cid,
    by_cid: BTreeMap<Cid, &'a [u8]>,
}

impl<'a> Blocks<'a> {
    fn read(car: &'a [u8]) -> Result<Self, VerifyError> {
        let reader = Reader::new(car)?;
        let [root] = *reader.roots() else { return Err(VerifyError::MissingCommit) };
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
