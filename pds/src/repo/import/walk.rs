//! The walk down the tree of a CAR, as its blocks arrive.

use alloc::collections::{BTreeMap, BTreeSet};
use core::mem::take;

use cid::Cid;
use nacre_commit::Commit;
use nacre_lexicon::MAX_RECORD_BYTES;
use nacre_mst::{EMPTY_NODE, MAX_NODE_BYTES, Steps, Tree};
use nacre_syntax::RepoPath;

use super::error::ImportError;
use super::root_commit::RootCommit;
use crate::blobs::cids_of;
use crate::repo::repository::Repository;
use crate::repo::subjects::subject;
use crate::store::{OddRecords, Staged};

/// Which part of a repository a CAR brings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// One of several. More follow under the same root.
    More,
    /// All of it, or the last part.
    Last,
}

/// A walk down the tree of an import.
pub(super) struct Walk<'r> {
    repo: &'r Repository,
    pub(super) root: Cid,
    pub(super) staged: Staged,
    pub(super) commit: Option<RootCommit>,
    part: Part,
    steps: Option<Steps<'static>>,
    /// Records whose paths are known and whose blocks have not arrived, and the number of paths.
    waiting: BTreeMap<Cid, Vec<RepoPath>>,
    paths: usize,
    /// The start of the digest of each record that an earlier request staged. Their blocks may
    /// arrive again.
    staged_before: BTreeSet<u64>,
    /// Records that are not CBOR, with the reason.
    unreadable: Vec<(RepoPath, String)>,
    is_walked: bool,
    /// When the staged import was last touched, and its number of odd records, as stored.
    noted: (i64, u64),
}

impl<'r> Walk<'r> {
    pub(super) fn begin(repo: &'r Repository, root: Cid, part: Part) -> Result<Self, ImportError> {
        let last = repo.account.state()?.last_tid();
        let now_s = repo.host.clock.now_s();
        let staged = match repo.store.staged(&root, last)? {
            Some(staged) => staged,
            None => {
                let rev = repo.tid_after(Some(last));
                repo.store.begin_staging(&root, rev, now_s)?;
                let odd = OddRecords::default();
                Staged { rev, has_staged_blocks: false, is_resumed: false, odd }
            }
        };
        Ok(Self {
            repo,
            root,
            // Of a resumed import, the first piece is noted.
            noted: (if staged.is_resumed { 0 } else { now_s }, staged.odd.count),
            staged,
            commit: None,
            part,
            steps: None,
            waiting: BTreeMap::new(),
            paths: 0,
            staged_before: BTreeSet::new(),
            unreadable: Vec::new(),
            is_walked: false,
        })
    }

    /// Walks over the blocks of earlier parts, a bounded number of steps at a time. Returns whether
    /// that is done.
    pub(super) fn catch_up(&mut self) -> Result<bool, ImportError> {
        if !self.staged.has_staged_blocks {
            return Ok(true);
        }
        if self.commit.is_none() {
            let Some(block) = self.repo.store.staged_block(&self.root)? else { return Ok(true) };
            self.set_commit(&block)?;
        }
        self.advance(STEPS_AT_ONCE)
    }

    /// Takes a block whose hash was verified.
    pub(super) fn take(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        if *cid == self.root {
            return match self.commit {
                Some(_) => Ok(()),
                None => {
                    // A resumed import starts with it, and catches up in bounded steps.
                    self.repo.store.stage_block(cid, bytes)?;
                    self.set_commit(bytes)?;
                    self.advance(usize::MAX).map(drop)
                }
            };
        }
        let wanted = self.steps.as_ref().and_then(Steps::wanted);
        if wanted == Some(*cid) && self.paths < MAX_WAITING {
            self.keep_for_later_parts(cid, bytes)?;
            return self.enter(*cid, bytes.to_vec());
        }
        if let Some(paths) = self.waiting.remove(cid) {
            for path in &paths {
                self.stage(path, cid, bytes)?;
            }
            let was_full = self.paths >= MAX_WAITING;
            self.paths -= paths.len();
            return if was_full { self.advance(usize::MAX).map(drop) } else { Ok(()) };
        }
        if self.staged_before.contains(&digest_start(cid)) {
            return Ok(());
        }
        self.staged.has_staged_blocks = true;
        // The start of an oversized block is enough to refuse it, and fits into a row.
        let bytes = bytes.get(..=MAX_NODE_BYTES).unwrap_or(bytes);
        Ok(self.repo.store.stage_block(cid, bytes)?)
    }

    /// Notes that bytes arrived, so that the staging is kept for a day from now. Writes a row at
    /// most once a minute.
    pub(super) fn note(&mut self, now_s: i64) -> Result<(), ImportError> {
        let (noted_s, odd) = self.noted;
        let is_fresh = (noted_s..noted_s.saturating_add(NOTE_PAUSE_S)).contains(&now_s);
        if !is_fresh || odd != self.staged.odd.count {
            self.repo.store.touch_staging(&self.staged.odd, now_s)?;
            self.noted = (now_s, self.staged.odd.count);
        }
        Ok(())
    }

    /// Returns how many blocks are known to be missing. Nodes among them may lead to more.
    pub(super) fn missing(&self) -> u64 {
        let root = usize::from(self.commit.is_none());
        let node = usize::from(self.steps.as_ref().is_some_and(|steps| steps.wanted().is_some()));
        u64::try_from(root + node + self.waiting.len()).unwrap_or(u64::MAX)
    }

    /// Parks a node that arrived in order, if later parts have to walk over it again.
    fn keep_for_later_parts(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        if self.part == Part::More {
            self.staged.has_staged_blocks = true;
            self.repo.store.stage_block(cid, bytes)?;
        }
        Ok(())
    }

    fn set_commit(&mut self, block: &[u8]) -> Result<(), ImportError> {
        let commit = RootCommit::decode(block)?;
        if *commit.did() != *self.repo.account.did() {
            return Err(ImportError::Other(commit.did().clone()));
        }
        if let RootCommit::Commit(Commit { rev, .. }) = &commit {
            // The next commit has to exceed it.
            let latest = self.repo.host.clock.now_micros().saturating_add(MAX_AHEAD_MICROS);
            if rev.micros() > latest {
                return Err(ImportError::Future(*rev));
            }
        }
        let data = commit.data();
        let tree = Tree::load(data).map_err(|_| ImportError::Missing(data))?;
        self.steps = Some(Steps::new(tree));
        self.commit = Some(commit);
        Ok(())
    }

    fn enter(&mut self, cid: Cid, node: Vec<u8>) -> Result<(), ImportError> {
        if let Some(steps) = &mut self.steps {
            steps.enter(node).map_err(|step| ImportError::Node(cid, step.error))?;
        }
        self.advance(usize::MAX).map(drop)
    }

    /// Walks on as far as nodes are known, for at most `most` steps. Returns whether it got that
    /// far.
    fn advance(&mut self, most: usize) -> Result<bool, ImportError> {
        let Some(steps) = &mut self.steps else { return Ok(true) };
        let mut left = most;
        while self.paths < MAX_WAITING && !self.is_walked {
            let Some(rest) = left.checked_sub(1) else { return Ok(false) };
            left = rest;
            if let Some(node) = steps.wanted() {
                let parked = match self.staged.has_staged_blocks {
                    true => self.repo.store.staged_block(&node)?,
                    false => None,
                };
                // A CAR may omit the one node of an empty tree.
                let empty = (node == Tree::EMPTY.root()).then(|| EMPTY_NODE.to_vec());
                let Some(bytes) = parked.or(empty) else { return Ok(true) };
                steps.enter(bytes).map_err(|step| ImportError::Node(step.node, step.error))?;
                continue;
            }
            let entry = steps.next_entry();
            let entry = entry.map_err(|step| ImportError::Node(step.node, step.error))?;
            let Some((key, cid)) = entry else {
                self.is_walked = steps.wanted().is_none();
                continue;
            };
            let path = RepoPath::parse(key).map_err(|_| ImportError::Path(key.to_owned()))?;
            let path = path.to_owned();
            if self.staged.is_resumed && self.repo.store.staged_cid(&path)? == Some(cid) {
                if self.staged_before.len() < MAX_STAGED_BEFORE {
                    self.staged_before.insert(digest_start(&cid));
                }
                continue;
            }
            self.waiting.entry(cid).or_default().push(path);
            self.paths += 1;
        }
        Ok(true)
    }

    /// Finds the places of parked blocks after the end of the CAR, some in each turn. Returns
    /// whether that is done; after the last part, the repository is then complete.
    pub(super) fn complete(&mut self, part: Part) -> Result<bool, ImportError> {
        if self.commit.is_none() {
            let Some(block) = self.repo.store.staged_block(&self.root)? else {
                return self.missing_block(self.root, part);
            };
            self.set_commit(&block)?;
            self.advance(usize::MAX)?;
        }
        self.stage_parked()?;
        if !self.waiting.is_empty() {
            self.stage_duplicates()?;
        }
        if let Some(cid) = self.waiting.keys().next() {
            return self.missing_block(*cid, part);
        }
        self.advance(usize::MAX)?;
        if let Some(node) = self.steps.as_ref().and_then(Steps::wanted)
            && self.paths < MAX_WAITING
        {
            return self.missing_block(node, part);
        }
        // The odd records of this turn are counted in its transaction, because it may be the last.
        self.note(self.repo.host.clock.now_s())?;
        if !self.is_walked || !self.waiting.is_empty() {
            return Ok(false);
        }
        self.check_readable()?;
        Ok(true)
    }

    /// Handles a block that the CAR lacks. A later part may bring it.
    fn missing_block(&mut self, cid: Cid, part: Part) -> Result<bool, ImportError> {
        self.check_readable()?;
        match part {
            Part::More => {
                self.note(self.repo.host.clock.now_s())?;
                Ok(true)
            }
            Part::Last => Err(ImportError::Missing(cid)),
        }
    }

    fn check_readable(&mut self) -> Result<(), ImportError> {
        match take(&mut self.unreadable) {
            none if none.is_empty() => Ok(()),
            records => Err(ImportError::Records(records)),
        }
    }

    /// Stages the records whose blocks were parked.
    fn stage_parked(&mut self) -> Result<(), ImportError> {
        if !self.staged.has_staged_blocks {
            return Ok(());
        }
        for (cid, paths) in take(&mut self.waiting) {
            let Some(bytes) = self.repo.store.staged_block(&cid)? else {
                self.waiting.insert(cid, paths);
                continue;
            };
            for path in &paths {
                self.stage(path, &cid, &bytes)?;
            }
            self.paths -= paths.len();
        }
        Ok(())
    }

    /// Stages records with the same content as staged ones, because a CAR may contain each block
    /// once.
    fn stage_duplicates(&mut self) -> Result<(), ImportError> {
        let mut last = String::new();
        while !self.waiting.is_empty() {
            let records = self.repo.store.staged_after(&last)?;
            let Some((path, _)) = records.last() else { return Ok(()) };
            last = path.as_str().to_owned();
            for (other, cid) in records {
                let Some(paths) = self.waiting.remove(&cid) else { continue };
                let value = self.repo.store.staged_value(&other)?;
                let value = value.ok_or(ImportError::Missing(cid))?;
                self.paths -= paths.len();
                for path in paths {
                    self.stage(&path, &cid, &value)?;
                }
            }
        }
        Ok(())
    }

    /// Stages a record. Its bytes stay as they are, even if they break today's rules.
    fn stage(&mut self, path: &RepoPath, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        match nacre_lexicon::inspect(bytes) {
            Ok(None) => {}
            Ok(Some(oddity)) => self.staged.odd.push(path, oddity.to_string()),
            Err(error) => {
                self.unreadable.push((path.clone(), error.to_string()));
                if self.unreadable.len() == MAX_UNREADABLE {
                    self.check_readable()?;
                }
                return Ok(());
            }
        }
        let store = &self.repo.store;
        store.stage_record(path, cid, self.staged.rev, bytes)?;
        if let Some(subject) = subject(&path.collection(), bytes) {
            store.stage_subject(&subject, &path.rkey())?;
        }
        for blob in cids_of(bytes) {
            store.stage_blob_ref(&blob, path, self.staged.rev)?;
        }
        Ok(())
    }
}

const _: () =
    assert!(MAX_RECORD_BYTES <= MAX_NODE_BYTES, "the start of an oversized record is oversized");

/// Returns the first bytes of a CID's digest, enough that collisions are unlikely.
fn digest_start(cid: &Cid) -> u64 {
    cid.hash().digest().first_chunk().map_or(0, |start| u64::from_be_bytes(*start))
}

/// How far the clock of another server may be ahead: a day.
const MAX_AHEAD_MICROS: u64 = 86_400_000_000;
/// How many paths of records wait in memory for their blocks.
const MAX_WAITING: usize = 20_000;
/// How many nodes and entries of earlier parts one turn walks over.
const STEPS_AT_ONCE: usize = 1_000;
/// How many staged records are remembered, at some ten bytes each. Blocks of the others are parked
/// if they arrive again.
const MAX_STAGED_BEFORE: usize = 1_000_000;
/// How many unreadable records an error names.
const MAX_UNREADABLE: usize = 10;
/// The time between two notes that bytes arrived.
const NOTE_PAUSE_S: i64 = 60;
