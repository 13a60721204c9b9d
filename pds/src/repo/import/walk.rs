//! The walk down the tree of a CAR, as its blocks come.

use alloc::collections::BTreeMap;
use core::mem::take;

use cid::Cid;
use nacre_commit::Commit;
use nacre_mst::{EMPTY_NODE, Steps, Tree};
use nacre_syntax::{RepoPath, TidClock};

use super::ImportError;
use crate::Pds;
use crate::store::Staged;

/// An import that is under way.
pub(super) struct Import<'p> {
    pds: &'p Pds,
    pub(super) root: Cid,
    pub(super) staged: Staged,
    pub(super) commit: Option<(Commit, Vec<u8>)>,
    steps: Option<Steps<'static>>,
    /// Records whose paths are known and whose blocks have not come, and how many paths there are.
    waiting: BTreeMap<Cid, Vec<RepoPath>>,
    paths: usize,
    /// Whether the walk is over.
    is_walked: bool,
}

impl<'p> Import<'p> {
    pub(super) fn begin(pds: &'p Pds, root: Cid) -> Result<Self, ImportError> {
        let account = pds.account()?;
        let staged = match pds.store.staged(&root, account.rev())? {
            Some(staged) => staged,
            None => {
                let mut clock =
                    TidClock::resuming_after(account.rev(), crate::repo::apply::CLOCK_ID);
                let rev = clock.next(pds.host.clock.now_micros());
                pds.store.begin_staging(&root, rev, pds.now_s())?;
                Staged { rev, has_parked: false }
            }
        };
        Ok(Self {
            pds,
            root,
            staged,
            commit: None,
            steps: None,
            waiting: BTreeMap::new(),
            paths: 0,
            is_walked: false,
        })
    }

    /// Takes a block whose hash has been checked.
    pub(super) fn take(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        if *cid == self.root && self.commit.is_none() {
            return self.begin_walk(bytes);
        }
        let wanted = self.steps.as_ref().and_then(Steps::wanted);
        if wanted == Some(*cid) && self.paths < MAX_WAITING {
            return self.enter(*cid, bytes.to_vec());
        }
        if let Some(paths) = self.waiting.remove(cid) {
            for path in &paths {
                self.stage(path, cid, bytes)?;
            }
            let was_full = self.paths >= MAX_WAITING;
            self.paths -= paths.len();
            return if was_full { self.advance() } else { Ok(()) };
        }
        self.staged.has_parked = true;
        Ok(self.pds.store.park(cid, bytes)?)
    }

    fn begin_walk(&mut self, block: &[u8]) -> Result<(), ImportError> {
        let commit = Commit::decode(block)?;
        if commit.did != self.pds.config.identity.did {
            return Err(ImportError::Other(commit.did));
        }
        // The next commit has to have a greater one, and its records are dated by it.
        let latest = self.pds.host.clock.now_micros().saturating_add(MAX_AHEAD_MICROS);
        if commit.rev.micros() > latest {
            return Err(ImportError::Future(commit.rev));
        }
        let tree = Tree::load(commit.data).map_err(|_| ImportError::Missing(commit.data))?;
        self.steps = Some(Steps::new(tree));
        self.commit = Some((commit, block.to_vec()));
        self.advance()
    }

    fn enter(&mut self, cid: Cid, node: Vec<u8>) -> Result<(), ImportError> {
        if let Some(steps) = &mut self.steps {
            steps.enter(node).map_err(|(_, error)| ImportError::Node(cid, error))?;
        }
        self.advance()
    }

    /// Walks on as far as the nodes go that are there.
    fn advance(&mut self) -> Result<(), ImportError> {
        let Some(steps) = &mut self.steps else { return Ok(()) };
        while self.paths < MAX_WAITING && !self.is_walked {
            if let Some(node) = steps.wanted() {
                let parked = match self.staged.has_parked {
                    true => self.pds.store.parked(&node)?,
                    false => None,
                };
                // Who writes a CAR may leave out the one node of an empty tree.
                let empty = (node == Tree::EMPTY.root()).then(|| EMPTY_NODE.to_vec());
                let Some(bytes) = parked.or(empty) else { return Ok(()) };
                steps.enter(bytes).map_err(|(cid, error)| ImportError::Node(cid, error))?;
                continue;
            }
            let entry = steps.next_entry();
            let Some((key, cid)) = entry.map_err(|(cid, error)| ImportError::Node(cid, error))?
            else {
                self.is_walked = steps.wanted().is_none();
                continue;
            };
            let path = RepoPath::parse(key).map_err(|_| ImportError::Path(key.to_owned()))?;
            self.waiting.entry(cid).or_default().push(path.to_owned());
            self.paths += 1;
        }
        Ok(())
    }

    /// Finds the places of the blocks that were parked, once there are no more to come: a part of
    /// them in each turn. Returns whether all is there.
    pub(super) fn complete(&mut self) -> Result<bool, ImportError> {
        if self.commit.is_none() {
            let block = self.pds.store.parked(&self.root)?;
            self.begin_walk(&block.ok_or(ImportError::Missing(self.root))?)?;
        }
        self.settle()?;
        if !self.waiting.is_empty() {
            self.copy_twins()?;
        }
        if let Some(cid) = self.waiting.keys().next() {
            return Err(ImportError::Missing(*cid));
        }
        self.advance()?;
        if let Some(node) = self.steps.as_ref().and_then(Steps::wanted)
            && self.paths < MAX_WAITING
        {
            return Err(ImportError::Missing(node));
        }
        Ok(self.is_walked && self.waiting.is_empty())
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

    fn stage(&self, path: &RepoPath, cid: &Cid, bytes: &[u8]) -> Result<(), ImportError> {
        if nacre_lexicon::check(bytes).is_err() {
            return Err(ImportError::Record(path.clone()));
        }
        let store = &self.pds.store;
        store.stage_record(path, cid, self.staged.rev, bytes)?;
        if let Some(subject) = crate::repo::subjects::subject(&path.collection(), bytes) {
            store.stage_subject(&subject, &path.rkey())?;
        }
        for blob in crate::repo::blobs::blobs_of(bytes) {
            store.stage_blob_ref(&blob, path, self.staged.rev)?;
        }
        Ok(())
    }
}

/// How far the clock of another server may be ahead of ours: a day.
const MAX_AHEAD_MICROS: u64 = 86_400_000_000;
/// How many paths of records are kept in memory until their blocks come.
const MAX_WAITING: usize = 20_000;
