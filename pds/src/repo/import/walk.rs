//! Walks down the tree of a CAR as its blocks arrive.

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
use crate::store::{OddRecords, RecordBlock, Staged};

/// The part of a repository that a CAR contains.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// One of several parts. More will follow with the same root.
    More,
    /// The whole repository, or its last part.
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
    /// The paths of the records whose blocks have not been placed yet, by CID.
    waiting: BTreeMap<Cid, Vec<RepoPath>>,
    /// The number of paths in `waiting`.
    paths: usize,
    /// The start of the digest of each record that an earlier request staged. Their blocks may
    /// arrive again.
    staged_before: BTreeSet<u64>,
    /// Records to stage in the current transaction, and the size of their blocks.
    unstaged: Vec<RecordBlock>,
    unstaged_bytes: usize,
    /// Records that cannot be parsed, with the reason.
    unreadable: Vec<(RepoPath, String)>,
    /// Whether the walk has reached the end of the tree.
    is_walked: bool,
    /// The stored time of the last byte, and the stored number of odd records.
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
            // A resumed import records its first piece.
            noted: (if staged.is_resumed { 0 } else { now_s }, staged.odd.count),
            staged,
            commit: None,
            part,
            steps: None,
            waiting: BTreeMap::new(),
            paths: 0,
            staged_before: BTreeSet::new(),
            unstaged: Vec::new(),
            unstaged_bytes: 0,
            unreadable: Vec::new(),
            is_walked: false,
        })
    }

    /// Walks over the blocks that earlier requests staged, for a bounded number of steps. Returns
    /// whether it is done.
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

    /// Takes a block whose hash has been verified.
    pub(super) fn take(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        if *cid == self.root {
            return match self.commit {
                Some(_) => Ok(()),
                None => {
                    // A resumed import usually has its commit from `catch_up`, which takes bounded
                    // steps.
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

    /// Ends a transaction: stages its records, and records that bytes arrived, so that the staging
    /// is kept for a day from now. Writes that row at most once a minute, or if there are more odd
    /// records.
    pub(super) fn note(&mut self, now_s: i64) -> Result<(), ImportError> {
        self.stage_pending()?;
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

    /// Stages a node that arrived in order, if later parts have to walk over it again.
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
            // The next commit's rev has to exceed this one.
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

    /// Continues the walk until a node is missing or too many paths wait, for at most `max_steps`
    /// steps. Returns `false` if it ran out of steps.
    fn advance(&mut self, max_steps: usize) -> Result<bool, ImportError> {
        let Some(steps) = &mut self.steps else { return Ok(true) };
        let mut left = max_steps;
        while self.paths < MAX_WAITING && !self.is_walked {
            let Some(rest) = left.checked_sub(1) else { return Ok(false) };
            left = rest;
            if let Some(node) = steps.wanted() {
                let staged = match self.staged.has_staged_blocks {
                    true => self.repo.store.staged_block(&node)?,
                    false => None,
                };
                // A CAR may omit the one node of an empty tree.
                let empty = (node == Tree::EMPTY.root()).then(|| EMPTY_NODE.to_vec());
                let Some(bytes) = staged.or(empty) else { return Ok(true) };
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

    /// Places the staged blocks after the end of the CAR, some in each turn. Returns whether it is
    /// done. After the last part, the repository is then complete.
    pub(super) fn complete(&mut self, part: Part) -> Result<bool, ImportError> {
        if self.commit.is_none() {
            let Some(block) = self.repo.store.staged_block(&self.root)? else {
                return self.missing_block(self.root, part);
            };
            self.set_commit(&block)?;
            self.advance(usize::MAX)?;
        }
        self.place_staged_blocks()?;
        if !self.waiting.is_empty() {
            self.place_duplicates()?;
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

    /// Returns the unreadable records as an error, if there are any.
    fn check_readable(&mut self) -> Result<(), ImportError> {
        match take(&mut self.unreadable) {
            records if records.is_empty() => Ok(()),
            records => Err(ImportError::Records(records)),
        }
    }

    /// Stages the waiting records whose blocks are staged.
    fn place_staged_blocks(&mut self) -> Result<(), ImportError> {
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

    /// Stages the waiting records that have the same content as a staged record. A CAR may contain
    /// their common block only once.
    fn place_duplicates(&mut self) -> Result<(), ImportError> {
        self.stage_pending()?;
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

    /// Stages a record. Its bytes are not changed, even if they violate a current rule.
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
        let block = RecordBlock { path: path.clone(), cid: *cid, value: bytes.to_vec() };
        self.unstaged_bytes += bytes.len();
        self.unstaged.push(block);
        if let Some(subject) = subject(&path.collection(), bytes) {
            store.stage_subject(&subject, &path.rkey())?;
        }
        for blob in cids_of(bytes) {
            store.stage_blob_ref(&blob, path, self.staged.rev)?;
        }
        let is_full =
            self.unstaged.len() >= MAX_UNSTAGED || self.unstaged_bytes >= MAX_UNSTAGED_BYTES;
        if is_full { self.stage_pending() } else { Ok(()) }
    }

    /// Stages the records that wait for others, to share a statement.
    fn stage_pending(&mut self) -> Result<(), ImportError> {
        self.unstaged_bytes = 0;
        let records = take(&mut self.unstaged);
        Ok(self.repo.store.stage_records(&records, self.staged.rev)?)
    }
}

const _: () =
    assert!(MAX_RECORD_BYTES <= MAX_NODE_BYTES, "the start of an oversized record is oversized");

/// Returns the first eight bytes of a CID's digest. Collisions are unlikely.
fn digest_start(cid: &Cid) -> u64 {
    cid.hash().digest().first_chunk().map_or(0, |start| u64::from_be_bytes(*start))
}

/// The furthest that the rev of an imported commit may be in the future: a day.
const MAX_AHEAD_MICROS: u64 = 86_400_000_000;
/// The most record paths that wait in memory for their blocks.
const MAX_WAITING: usize = 20_000;
/// The most records that wait for others to be staged.
const MAX_UNSTAGED: usize = 100;
/// The bytes of their blocks, because the memory of a wasm instance never shrinks.
const MAX_UNSTAGED_BYTES: usize = 64 * 1024;
/// The number of nodes and entries of earlier requests that one turn walks over.
const STEPS_AT_ONCE: usize = 1_000;
/// The most staged records that are remembered, at about ten bytes each. Blocks of the others are
/// staged if they arrive again.
const MAX_STAGED_BEFORE: usize = 1_000_000;
/// The most unreadable records that an error names.
const MAX_UNREADABLE: usize = 10;
/// The shortest time between two writes of the time of the last byte.
const NOTE_PAUSE_S: i64 = 60;
