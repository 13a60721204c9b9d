//! Whether the database holds together: what each row says, against what it follows from.

use alloc::collections::VecDeque;

use cid::Cid;
use nacre_commit::{Commit, Head};
use nacre_lexicon::cid_for;
use nacre_mst::{Steps, Tree};
use serde::Serialize;

use crate::Pds;
use crate::host::{BlobsError, SqlError};
use crate::store::{Account, Entered, RecordBlock, SnapshotError, Store};
use crate::turn::pause;

/// What an audit has found.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// How many records there are.
    pub records: u64,
    /// How many references to blobs they have.
    pub blob_references: u64,
    /// How many blobs there are, with those that no record refers to.
    pub blobs: u64,
    /// How many records are likes, reposts, follows and blocks, which are indexed by their subject.
    pub subjects: u64,
    /// How many nodes the tree has.
    pub nodes: u64,
    /// How many pages the tree lies on.
    pub pages: u64,
    /// What is wrong, at most [`Self::MAX_FAULTS`] of it; nothing, in a database that is whole.
    pub faults: Vec<String>,
}

/// Why an audit could not be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The store of blobs cannot be read.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The repository is written to all the time.
    #[error("the repository did not stay the same for long enough; try again")]
    Busy,
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] SqlError),
}

impl Audit {
    /// The most faults that are listed.
    pub const MAX_FAULTS: usize = 100;

    fn fault(&mut self, fault: String) {
        if self.faults.len() < Self::MAX_FAULTS {
            self.faults.push(fault);
        }
    }
}

impl Pds {
    /// Goes through the whole database: the commit and its signature, every node of the tree, every
    /// record, and every page, each of which must be in use once.
    ///
    /// Others have their turn meanwhile. If the repository changes, the audit begins anew.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the database cannot be read, or never stays the same.
    pub async fn audit(&self) -> Result<Audit, AuditError> {
        for _ in 0..MAX_BEGINNINGS {
            let mut audit = Audit::default();
            let Head { cid, data, .. } = self.account()?.head;
            match Tree::load(data) {
                Ok(tree) => self.audit_tree(tree, &mut audit).await?,
                Err(error) => audit.fault(error.to_string()),
            }
            let account = self.account()?;
            if account.head.cid == cid {
                self.audit_account(&account, &mut audit)?;
                return Ok(audit);
            }
        }
        Err(AuditError::Busy)
    }

    /// Holds what is known of the account against what was counted; in one turn.
    fn audit_account(&self, account: &Account, audit: &mut Audit) -> Result<(), SqlError> {
        match self.store.commit_block()?.map(|block| (cid_for(&block), Commit::decode(&block))) {
            Some((cid, Ok(commit))) => {
                // A commit that was imported is kept as it came, under a rev of ours.
                let is_ours = commit.rev == account.head.rev;
                if (cid, commit.data) != (account.head.cid, account.head.data) {
                    audit.fault("the head is not that of its commit".to_owned());
                }
                if is_ours && commit.verify(self.config.signing_key.verifying_key()).is_err() {
                    audit.fault("the commit is not signed with the account's key".to_owned());
                }
            }
            Some((_, Err(error))) => audit.fault(format!("the commit is none: {error}")),
            None => audit.fault("there is no commit".to_owned()),
        }
        if u64::try_from(account.records) != Ok(audit.records) {
            audit.fault(format!("{} records were counted", account.records));
        }
        if u64::try_from(account.nodes) != Ok(audit.nodes) {
            audit.fault(format!("{} nodes were counted", account.nodes));
        }
        let (references, blobs) = self.store.count_blobs()?;
        if references != audit.blob_references {
            audit.fault(format!("{references} references to blobs are known of"));
        }
        if blobs != account.blobs {
            audit.fault(format!("{:?} were counted", account.blobs));
        }
        let subjects = self.store.count_subjects()?;
        if subjects != audit.subjects {
            audit.fault(format!("the index has {subjects} entries of what records are about"));
        }
        self.audit_blob_rows(audit)?;
        match self.store.audit_pages(&account.head.data) {
            Ok((pages, faults)) => {
                audit.pages = pages;
                faults.into_iter().for_each(|fault| audit.fault(fault));
            }
            Err(error) => audit.fault(error.to_string()),
        }
        Ok(())
    }

    /// Holds the blobs that are known against those that are stored, for `audit` to tell of.
    ///
    /// Other things may happen meanwhile: a blob that comes or goes may be taken for a fault.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the database or the store of blobs cannot be read.
    pub async fn audit_blobs(&self, audit: &mut Audit) -> Result<(), AuditError> {
        let mut last = String::new();
        loop {
            let page = self.store.blobs_after(&last)?;
            let Some((end, _)) = page.last() else { break };
            last.clone_from(end);
            for (text, blob) in page {
                audit.blobs += 1;
                let Ok(cid) = Cid::try_from(text.as_str()) else {
                    audit.fault(format!("the blob {text} has no CID"));
                    continue;
                };
                match self.host.blobs.size(&cid).await? {
                    None => audit.fault(format!("the blob {cid} is not stored")),
                    Some(size) if size != blob.size => {
                        audit.fault(format!("the blob {cid} has {size} bytes"));
                    }
                    Some(_) => {}
                }
            }
        }
        let mut last = None;
        loop {
            let page = self.host.blobs.list(last.as_ref()).await?;
            let Some(end) = page.last() else { return Ok(()) };
            last = Some(*end);
            for cid in page {
                if self.store.blob(&cid.to_string())?.is_none() {
                    audit.fault(format!("the blob {cid} is stored, and not known of"));
                }
            }
        }
    }

    /// Goes through the tree and the records together, both in the order of their paths.
    async fn audit_tree(&self, tree: Tree, audit: &mut Audit) -> Result<(), SqlError> {
        let Some(mut snapshot) = self.store.snapshot(self.now_s()) else {
            audit.fault("the tree was not looked at: there are too many exports".to_owned());
            return Ok(());
        };
        let mut steps = Steps::new(tree);
        let mut records =
            Records { store: &self.store, last: String::new(), ahead: VecDeque::new() };
        for step in 1_u64.. {
            if step.is_multiple_of(STEPS_AT_ONCE) {
                pause().await;
            }
            if let Some(node) = steps.wanted() {
                let bytes = match snapshot.enter(&node, None) {
                    Ok(Entered::Node(bytes)) => bytes,
                    Ok(Entered::Unchanged) => Vec::new(),
                    Err(SnapshotError::Database(error)) => {
                        audit.fault(error.to_string());
                        return Ok(());
                    }
                    Err(SnapshotError::Lost) => {
                        audit.fault("the tree was not looked at to its end".to_owned());
                        return Ok(());
                    }
                };
                audit.nodes += 1;
                if cid_for(&bytes) != node {
                    audit.fault(format!("the node {node} is not what its CID says"));
                }
                if let Err((node, error)) = steps.enter(bytes) {
                    audit.fault(format!("the node {node}: {error}"));
                    return Ok(());
                }
                continue;
            }
            let entry = match steps.next_entry() {
                Ok(entry) => entry,
                Err((node, error)) => {
                    audit.fault(format!("the node {node}: {error}"));
                    return Ok(());
                }
            };
            let record = records.next()?;
            match (entry, record) {
                (None, None) => return Ok(()),
                (Some((path, _)), None) => audit.fault(format!("there is no record {path}")),
                (None, Some(record)) => audit.fault(format!("the tree lacks {}", record.path)),
                (Some((path, cid)), Some(record)) => {
                    audit.records += 1;
                    if (path, cid) == (record.path.as_str(), record.cid) {
                        self.audit_record(&record, audit)?;
                        continue;
                    }
                    audit.fault(format!("the tree has {path} where the record {} is", record.path));
                }
            }
            break;
        }
        Ok(())
    }

    /// Makes sure that blobs are idle if no record refers to them, and only then.
    fn audit_blob_rows(&self, audit: &mut Audit) -> Result<(), SqlError> {
        let mut last = String::new();
        loop {
            let page = self.store.blobs_after(&last)?;
            let Some((end, _)) = page.last() else { return Ok(()) };
            last.clone_from(end);
            for (cid, blob) in page {
                match (blob.idle_since_s, self.store.is_blob_expected(&cid)?) {
                    (Some(_), true) => audit.fault(format!("the blob {cid} is taken for idle")),
                    (None, false) => audit.fault(format!("the blob {cid} is not taken for idle")),
                    (None, true) | (Some(_), false) => {}
                }
            }
        }
    }

    fn audit_record(&self, record: &RecordBlock, audit: &mut Audit) -> Result<(), SqlError> {
        if cid_for(&record.value) != record.cid {
            audit.fault(format!("{} is not what its CID says", record.path));
        }
        let (references, unknown) = self.audit_blob_refs(record)?;
        audit.blob_references += references;
        if let Some(cid) = unknown {
            audit.fault(format!("that {} refers to the blob {cid} is not known", record.path));
        }
        match self.is_subject_indexed(record)? {
            Some(true) => audit.subjects += 1,
            Some(false) => {
                audit.subjects += 1;
                audit.fault(format!("what {} is about is not in the index", record.path));
            }
            None => {}
        }
        Ok(())
    }
}

/// All records in order.
struct Records<'s> {
    store: &'s Store,
    last: String,
    ahead: VecDeque<RecordBlock>,
}

impl Records<'_> {
    fn next(&mut self) -> Result<Option<RecordBlock>, SqlError> {
        if self.ahead.is_empty() {
            self.ahead = self.store.records_after(&self.last)?.into();
        }
        let next = self.ahead.pop_front();
        if let Some(record) = &next {
            self.last = record.path.as_str().to_owned();
        }
        Ok(next)
    }
}

/// How often an audit begins anew as the repository has changed.
const MAX_BEGINNINGS: u32 = 5;
/// After how many nodes and records others have their turn.
const STEPS_AT_ONCE: u64 = 500;
