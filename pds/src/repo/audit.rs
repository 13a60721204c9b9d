//! Consistency checks of the database and the store of blobs.
//!
//! Only what was really seen is a fault. If something cannot be read or changes meanwhile, the
//! audit starts over or returns an error.

mod blobs;

use alloc::collections::VecDeque;

use nacre_commit::Commit;
use nacre_lexicon::cid_for;
use nacre_mst::{Steps, Tree};
use serde::Serialize;

use crate::Pds;
use crate::host::{BlobsError, SqlError};
use crate::store::{Account, Entered, Purpose, RecordBlock, SnapshotError, Store};
use crate::turn::pause;

/// The result of an audit.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// How many records there are.
    pub records: u64,
    /// How many references to blobs the records have.
    pub blob_references: u64,
    /// How many blobs there are, including idle ones.
    pub blobs: u64,
    /// How many records the subject index needs: likes, reposts, follows and blocks.
    pub subjects: u64,
    /// How many nodes the tree has.
    pub nodes: u64,
    /// How many pages the tree lies on.
    pub pages: u64,
    /// The faults found, at most [`Self::MAX_FAULTS`]; empty if everything is consistent.
    pub faults: Vec<String>,
    /// What else the operator should know: variables that differ from those of the first start, the
    /// owner marker, and stored blobs that the database does not know yet.
    pub warnings: Vec<String>,
    /// What has to be healed.
    #[serde(skip)]
    pub(super) needs: Needs,
}

/// Which kinds of faults were found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Needs {
    /// Derived data does not match the commit and the records.
    pub(super) rebuild: bool,
    /// The blobs in the database are not those in the store.
    pub(super) blobs: bool,
    /// Blob counters or idle marks are wrong.
    pub(super) blob_marks: bool,
}

/// Why an audit could not be finished.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The store of blobs cannot be read.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// The repository kept changing, or too many audits are in flight.
    #[error("the repository is busy; try again")]
    Busy,
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] SqlError),
}

/// What a fault is about, which decides how it is healed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// Blob counters and idle marks.
    BlobMarks,
    /// The store of blobs.
    Blobs,
    /// What follows from the commit and the records, or these themselves.
    Derived,
    /// Something that no heal can mend.
    Lasting,
}

/// How a walk through the tree ended.
enum Walk {
    /// The repository changed.
    Disturbed,
    /// At its end, or at the first fault that does not let it go on.
    Ended { is_complete: bool },
}

impl Audit {
    /// The most faults that are listed.
    pub const MAX_FAULTS: usize = 100;

    fn fault(&mut self, kind: Fault, text: String) {
        match kind {
            Fault::BlobMarks => self.needs.blob_marks = true,
            Fault::Blobs => self.needs.blobs = true,
            Fault::Derived => self.needs.rebuild = true,
            Fault::Lasting => {}
        }
        if self.faults.len() < Self::MAX_FAULTS {
            self.faults.push(text);
        }
    }

    fn derived(&mut self, text: String) {
        self.fault(Fault::Derived, text);
    }
}

impl Pds {
    /// Checks the whole database: the commit and its signature, every node of the tree, every
    /// record, all indexes and counters, and every page, each of which must be in use once.
    ///
    /// Other requests are served meanwhile. If the repository changes, the audit starts over.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the database cannot be read or keeps changing.
    pub async fn audit(&self) -> Result<Audit, AuditError> {
        for _ in 0..MAX_ATTEMPTS {
            let mut audit = Audit::default();
            match self.audit_tree(&mut audit).await? {
                Walk::Disturbed => pause().await,
                Walk::Ended { is_complete } => {
                    // In the turn in which the walk ended.
                    self.audit_account(&self.account()?, is_complete, &mut audit)?;
                    audit.warnings = self.setup_warnings()?;
                    return Ok(audit);
                }
            }
        }
        Err(AuditError::Busy)
    }

    /// Compares the account's row with its commit and with what was counted.
    fn audit_account(
        &self,
        account: &Account,
        is_complete: bool,
        audit: &mut Audit,
    ) -> Result<(), SqlError> {
        self.audit_commit(account, audit)?;
        let (references, blobs) = self.store.count_blobs()?;
        if is_complete {
            self.audit_counts(account, references, audit)?;
        }
        if blobs != account.blobs {
            let (counted, found) = (account.blobs, blobs);
            let text = format!(
                "blob counters are {} referenced and {} stored, but {} and {} exist",
                counted.expected, counted.stored, found.expected, found.stored
            );
            audit.fault(Fault::BlobMarks, text);
        }
        self.audit_blob_rows(audit)?;
        let (pages, faults) = self.store.audit_pages(&account.head.data)?;
        audit.pages = pages;
        faults.into_iter().for_each(|fault| audit.derived(fault));
        Ok(())
    }

    /// Compares the head with the commit block.
    fn audit_commit(&self, account: &Account, audit: &mut Audit) -> Result<(), SqlError> {
        let Some(block) = self.store.commit_block()? else {
            audit.derived("the commit block is missing".to_owned());
            return Ok(());
        };
        let commit = match Commit::decode(&block) {
            Ok(commit) => commit,
            Err(error) => {
                audit.derived(format!("not a valid commit: {error}"));
                return Ok(());
            }
        };
        let head = &account.head;
        let cid = cid_for(&block);
        if cid != head.cid {
            audit.derived(format!("head is {}, but the commit is {cid}", head.cid));
        }
        if commit.data != head.data {
            audit.derived(format!(
                "tree root is {}, but the commit's is {}",
                head.data, commit.data
            ));
        }
        if commit.rev != head.rev {
            audit.derived(format!("head rev is {}, but the commit's is {}", head.rev, commit.rev));
        }
        if commit.did != head.did {
            let text = format!("the commit belongs to {}, not to {}", commit.did, head.did);
            audit.fault(Fault::Lasting, text);
        }
        // Until the account is active, the commit may be the one that an import has brought.
        let key = self.config.signing_key.verifying_key();
        if account.active && commit.verify(key).is_err() {
            let text = "the commit's signature does not verify with the account's key";
            audit.fault(Fault::Lasting, text.to_owned());
        }
        Ok(())
    }

    /// Compares counters and indexes with what the walk has counted.
    fn audit_counts(
        &self,
        account: &Account,
        references: u64,
        audit: &mut Audit,
    ) -> Result<(), SqlError> {
        let Audit { records, nodes, blob_references, subjects, .. } = *audit;
        if u64::try_from(account.records) != Ok(records) {
            let counter = account.records;
            audit.derived(format!("record counter is {counter}, but {records} records exist"));
        }
        if u64::try_from(account.nodes) != Ok(nodes) {
            let counter = account.nodes;
            audit.derived(format!("node counter is {counter}, but {nodes} nodes exist"));
        }
        if references != blob_references {
            audit.derived(format!(
                "blob reference index has {references} entries, but {blob_references} references \
                 exist"
            ));
        }
        let indexed = self.store.count_subjects()?;
        if indexed != subjects {
            audit.derived(format!(
                "subject index has {indexed} entries, but {subjects} subjects exist"
            ));
        }
        Ok(())
    }

    /// Walks the tree and the records together, both in the order of their paths.
    async fn audit_tree(&self, audit: &mut Audit) -> Result<Walk, AuditError> {
        let head = self.account()?.head;
        let tree = match Tree::load(head.data) {
            Ok(tree) => tree,
            Err(error) => {
                audit.derived(format!("tree root: {error}"));
                return Ok(Walk::Ended { is_complete: false });
            }
        };
        let snapshot = self.store.snapshot(Purpose::Audit, self.now_s());
        let mut snapshot = snapshot.ok_or(AuditError::Busy)?;
        let mut steps = Steps::new(tree);
        let mut records =
            Records { store: &self.store, last: String::new(), ahead: VecDeque::new() };
        for step in 1_u64.. {
            if step.is_multiple_of(STEPS_AT_ONCE) {
                pause().await;
                if snapshot.resume(self.now_s()).is_err() || self.account()?.head.cid != head.cid {
                    return Ok(Walk::Disturbed);
                }
            }
            let is_over = match steps.wanted() {
                Some(node) => match snapshot.enter(&node, None) {
                    Ok(entered) => audit_node(&mut steps, &node, entered, audit),
                    Err(SnapshotError::Damaged) => {
                        audit.derived(format!("node {node} is missing or corrupt"));
                        Some(false)
                    }
                    Err(SnapshotError::Database(error)) => return Err(error.into()),
                    Err(SnapshotError::Lost) => return Ok(Walk::Disturbed),
                },
                None => self.audit_entry(&mut steps, &mut records, audit)?,
            };
            if let Some(is_complete) = is_over {
                return Ok(Walk::Ended { is_complete });
            }
        }
        Err(AuditError::Busy)
    }

    /// Compares the tree's next entry with the next record. Returns whether the walk is complete,
    /// if it is over.
    fn audit_entry(
        &self,
        steps: &mut Steps<'static>,
        records: &mut Records<'_>,
        audit: &mut Audit,
    ) -> Result<Option<bool>, SqlError> {
        let entry = match steps.next_entry() {
            Ok(entry) => entry,
            Err(error) => {
                audit.derived(error.to_string());
                return Ok(Some(false));
            }
        };
        let fault = match (entry, records.next()?) {
            (None, None) => return Ok(Some(true)),
            (Some((path, cid)), Some(record)) if path == record.path.as_str() => {
                audit.records += 1;
                if cid == record.cid {
                    self.audit_record(&record, audit)?;
                    return Ok(None);
                }
                format!("record {path} is {}, but the tree has {cid}", record.cid)
            }
            (Some((path, _)), Some(record)) if path > record.path.as_str() => {
                format!("record is not in the tree: {}", record.path)
            }
            (None, Some(record)) => format!("record is not in the tree: {}", record.path),
            (Some((path, _)), _) => format!("missing record: {path}"),
        };
        audit.derived(fault);
        Ok(Some(false))
    }

    fn audit_record(&self, record: &RecordBlock, audit: &mut Audit) -> Result<(), SqlError> {
        if cid_for(&record.value) != record.cid {
            audit.derived(format!("record {} does not match its CID", record.path));
        }
        let (references, unknown) = self.audit_blob_refs(record)?;
        audit.blob_references += references;
        if let Some(cid) = unknown {
            audit.derived(format!("missing blob reference: {} → {cid}", record.path));
        }
        match self.is_subject_indexed(record)? {
            Some(true) => audit.subjects += 1,
            Some(false) => {
                audit.subjects += 1;
                audit.derived(format!("missing subject index entry: {}", record.path));
            }
            None => {}
        }
        Ok(())
    }
}

/// Checks a node and enters it. Returns `Some(false)` if the walk cannot go on.
fn audit_node(
    steps: &mut Steps<'static>,
    node: &cid::Cid,
    entered: Entered,
    audit: &mut Audit,
) -> Option<bool> {
    // Without a `since`, no page is passed over.
    let Entered::Node(bytes) = entered else { return Some(false) };
    audit.nodes += 1;
    if cid_for(&bytes) != *node {
        audit.derived(format!("node {node} does not match its CID"));
    }
    let error = steps.enter(bytes).err()?;
    audit.derived(error.to_string());
    Some(false)
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

/// How often an audit starts over because the repository has changed.
const MAX_ATTEMPTS: u32 = 5;
/// After how many nodes and records other requests have their turn.
const STEPS_AT_ONCE: u64 = 500;
