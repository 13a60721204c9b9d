//! The walk down the tree of a CAR, as its blocks arrive.

use alloc::collections::{BTreeMap, BTreeSet};
use core::mem::take;

use cid::Cid;
use nacre_commit::Commit;
use nacre_lexicon::MAX_RECORD_BYTES;
use nacre_mst::{EMPTY_NODE, MAX_NODE_BYTES, Steps, Tree};
use nacre_syntax::RepoPath;

use super::root::Root;
use super::{ImportError, Part};
use crate::Pds;
use crate::repo::{blobs, subjects};
use crate::store::{OddRecords, Staged};

/// An import in progress.
pub(super) struct Import<'p> {
    pds: &'p Pds,
    pub(super) root: Cid,
    pub(super) staged: Staged,
    pub(super) commit: Option<Root>,
    part: Part,
    steps: Option<Steps<'static>>,
    /// Records whose paths are known and whose blocks have not come, and how many paths there are.
    waiting: BTreeMap<Cid, Vec<RepoPath>>,
    paths: usize,
    /// Records that an earlier request staged: the start of each digest. Their blocks may come
    /// again.
    known: BTreeSet<u64>,
    /// Records that are not CBOR, with the reason.
    unreadable: Vec<(RepoPath, String)>,
    is_walked: bool,
    /// When the staged import was last touched, and how many odd records it had, as stored.
    noted: (i64, u64),
}

impl<'p> Import<'p> {
    pub(super) fn begin(pds: &'p Pds, root: Cid, part: Part) -> Result<Self, ImportError> {
        let last = pds.account()?.last_tid();
        let now_s = pds.now_s();
        let staged = match pds.store.staged(&root, last)? {
            Some(staged) => staged,
            None => {
                let rev = pds.tid_after(Some(last));
                pds.store.begin_staging(&root, rev, now_s)?;
                let odd = OddRecords::default();
                Staged { rev, has_parked: false, is_resumed: false, odd }
            }
        };
        Ok(Self {
            pds,
            root,
            // Of a resumed import, the first piece is noted.
            noted: (if staged.is_resumed { 0 } else { now_s }, staged.odd.count),
            staged,
            commit: None,
            part,
            steps: None,
            waiting: BTreeMap::new(),
            paths: 0,
            known: BTreeSet::new(),
            unreadable: Vec::new(),
            is_walked: false,
        })
    }

    /// Walks over what earlier parts brought, a bounded number of steps at a time; returns whether
    /// that is done.
    pub(super) fn catch_up(&mut self) -> Result<bool, ImportError> {
        if !self.staged.has_parked {
            return Ok(true);
        }
        if self.commit.is_none() {
            let Some(block) = self.pds.store.parked(&self.root)? else { return Ok(true) };
            self.set_commit(&block)?;
        }
        self.advance(STEPS_AT_ONCE)
    }

    /// Takes a block whose hash has been checked.
    pub(super) fn take(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        if *cid == self.root {
            return match self.commit {
                Some(_) => Ok(()),
                None => {
                    // A resumed import begins with it, and catches up a bounded part at a time.
                    self.pds.store.park(cid, bytes)?;
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
        if self.known.contains(&start_of(cid)) {
            return Ok(());
        }
        self.staged.has_parked = true;
        // The start of a block that is too large is enough to refuse it, and fits into a row.
        let bytes = bytes.get(..=MAX_NODE_BYTES).unwrap_or(bytes);
        Ok(self.pds.store.park(cid, bytes)?)
    }

    /// Notes that a piece came, so that what was staged is kept for a day from now: once a minute,
    /// as that writes a row.
    pub(super) fn note(&mut self, now_s: i64) -> Result<(), ImportError> {
        let (noted_s, odd) = self.noted;
        let is_fresh = (noted_s..noted_s.saturating_add(NOTES_S)).contains(&now_s);
        if !is_fresh || odd != self.staged.odd.count {
            self.pds.store.touch_staging(&self.staged.odd, now_s)?;
            self.noted = (now_s, self.staged.odd.count);
        }
        Ok(())
    }

    /// Returns how many blocks are known to be missing; the nodes among them may lead to more.
    pub(super) fn missing(&self) -> u64 {
        let root = usize::from(self.commit.is_none());
        let node = usize::from(self.steps.as_ref().is_some_and(|steps| steps.wanted().is_some()));
        u64::try_from(root + node + self.waiting.len()).unwrap_or(u64::MAX)
    }

    /// The nodes of a tree are not stored when they come in order. Later parts have to find the
    /// way again.
    fn keep_for_later_parts(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        if self.part == Part::More {
            self.staged.has_parked = true;
            self.pds.store.park(cid, bytes)?;
        }
        Ok(())
    }

    fn set_commit(&mut self, block: &[u8]) -> Result<(), ImportError> {
        let commit = Root::decode(block)?;
        if *commit.did() != self.pds.config.identity.did {
            return Err(ImportError::Other(commit.did().clone()));
        }
        if let Root::Commit(Commit { rev, .. }) = &commit {
            // The next commit has to exceed it, and its records are dated by it.
            let latest = self.pds.host.clock.now_micros().saturating_add(MAX_AHEAD_MICROS);
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

    /// Walks on as far as the known nodes go, at most so many steps; returns whether it got there.
    fn advance(&mut self, most: usize) -> Result<bool, ImportError> {
        let Some(steps) = &mut self.steps else { return Ok(true) };
        let mut left = most;
        while self.paths < MAX_WAITING && !self.is_walked {
            let Some(rest) = left.checked_sub(1) else { return Ok(false) };
            left = rest;
            if let Some(node) = steps.wanted() {
                let parked = match self.staged.has_parked {
                    true => self.pds.store.parked(&node)?,
                    false => None,
                };
                // A CAR may leave out the one node of an empty tree.
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
            if self.staged.is_resumed && self.pds.store.staged_cid(&path)? == Some(cid) {
                if self.known.len() < MAX_KNOWN {
                    self.known.insert(start_of(&cid));
                }
                continue;
            }
            self.waiting.entry(cid).or_default().push(path);
            self.paths += 1;
        }
        Ok(true)
    }

    /// Finds the places of parked blocks once the CAR has ended, a part of them in each turn.
    /// Returns whether that is done: after the last part, everything is there then.
    pub(super) fn complete(&mut self, part: Part) -> Result<bool, ImportError> {
        if self.commit.is_none() {
            let Some(block) = self.pds.store.parked(&self.root)? else {
                return self.lacks(self.root, part);
            };
            self.set_commit(&block)?;
            self.advance(usize::MAX)?;
        }
        self.settle()?;
        if !self.waiting.is_empty() {
            self.copy_twins()?;
        }
        if let Some(cid) = self.waiting.keys().next() {
            return self.lacks(*cid, part);
        }
        self.advance(usize::MAX)?;
        if let Some(node) = self.steps.as_ref().and_then(Steps::wanted)
            && self.paths < MAX_WAITING
        {
            return self.lacks(node, part);
        }
        // The odd records of this turn are counted in its transaction, as it may be the last one.
        self.note(self.pds.now_s())?;
        if !self.is_walked || !self.waiting.is_empty() {
            return Ok(false);
        }
        self.check_readable()?;
        Ok(true)
    }

    /// The CAR lacks a block, which a later part may bring.
    fn lacks(&mut self, cid: Cid, part: Part) -> Result<bool, ImportError> {
        self.check_readable()?;
        match part {
            Part::More => {
                self.note(self.pds.now_s())?;
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

    /// Stages the records that wait for blocks that were parked.
    fn settle(&mut self) -> Result<(), ImportError> {
        if !self.staged.has_parked {
            return Ok(());
        }
        for (cid, paths) in take(&mut self.waiting) {
            let Some(bytes) = self.pds.store.parked(&cid)? else {
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

    /// Stages records of equal content with others that are staged: a CAR need have them once.
    fn copy_twins(&mut self) -> Result<(), ImportError> {
        let mut last = String::new();
        while !self.waiting.is_empty() {
            let records = self.pds.store.staged_after(&last)?;
            let Some((path, _)) = records.last() else { return Ok(()) };
            last = path.as_str().to_owned();
            for (twin, cid) in records {
                let Some(paths) = self.waiting.remove(&cid) else { continue };
                let value = self.pds.store.staged_value(&twin)?;
                let value = value.ok_or(ImportError::Missing(cid))?;
                self.paths -= paths.len();
                for path in paths {
                    self.stage(&path, &cid, &value)?;
                }
            }
        }
        Ok(())
    }

    /// Stages a record. Its bytes are kept as they are, whether today's rules allow them or not.
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
        let store = &self.pds.store;
        store.stage_record(path, cid, self.staged.rev, bytes)?;
        if let Some(subject) = subjects::subject(&path.collection(), bytes) {
            store.stage_subject(&subject, &path.rkey())?;
        }
        for blob in blobs::blobs_of(bytes) {
            store.stage_blob_ref(&blob, path, self.staged.rev)?;
        }
        Ok(())
    }
}

const _: () = assert!(MAX_RECORD_BYTES <= MAX_NODE_BYTES, "the start of a record is too large too");

/// Returns what a CID is remembered by: enough of its digest that two do not meet by chance.
fn start_of(cid: &Cid) -> u64 {
    cid.hash().digest().first_chunk().map_or(0, |start| u64::from_be_bytes(*start))
}

/// How far the clock of another server may be ahead of ours: a day.
const MAX_AHEAD_MICROS: u64 = 86_400_000_000;
/// How many paths of records are kept in memory until their blocks come.
const MAX_WAITING: usize = 20_000;
/// How many nodes and entries of earlier parts are walked over in one turn.
const STEPS_AT_ONCE: usize = 1_000;
/// How many staged records are remembered, some ten bytes each. Blocks of others that come again
/// are parked.
const MAX_KNOWN: usize = 1_000_000;
/// How many unreadable records are named before the import stops.
const MAX_UNREADABLE: usize = 10;
/// The time between two notes that an import goes on.
const NOTES_S: i64 = 60;
