//! Consistency checks of the repository.
//!
//! Only faults that were actually seen are reported. If something cannot be read, or changes during
//! the audit, the audit starts over or returns an error.

use alloc::collections::VecDeque;

use nacre_commit::Commit;
use nacre_lexicon::cid_for;
use nacre_mst::{Steps, Tree};

use super::checker::Integrity;
use super::report::{Audit, AuditError, Fault};
use crate::blobs::cids_of;
use crate::host::SqlError;
use crate::store::{AccountState, Entered, Purpose, RecordBlock, SnapshotError, Store};
use crate::turn::pause;

/// The outcome of a walk through the tree.
enum Walk {
    /// The repository changed during the walk.
    RepoChanged,
    /// The walk reached the end, or a fault that ends it early.
    Ended { is_complete: bool },
}

impl Integrity {
    /// Checks the whole database: the commit and its signature, every node of the tree, every
    /// record, all indexes and counters, and every page, each of which must be referenced once.
    ///
    /// Other requests are served during the audit. If the repository changes, the audit starts
    /// over.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the database cannot be read or keeps changing.
    pub(crate) async fn audit(&self) -> Result<Audit, AuditError> {
        self.store.forget_rows();
        for _ in 0..MAX_ATTEMPTS {
            let mut audit = Audit::default();
            match self.audit_tree(&mut audit).await? {
                Walk::RepoChanged => pause().await,
                Walk::Ended { is_complete } => {
                    // In the same turn as the end of the walk.
                    self.audit_account(is_complete, &mut audit)?;
                    audit.warnings = self.setup.warnings()?;
                    return Ok(audit);
                }
            }
        }
        Err(AuditError::Busy)
    }

    /// Compares the account's row with its commit and with the counts of the walk, and checks the
    /// rows of blobs and pages.
    fn audit_account(&self, is_complete: bool, audit: &mut Audit) -> Result<(), SqlError> {
        let account = &*self.account.state()?;
        self.audit_commit(account, audit)?;
        let (references, blobs) = self.store.count_blobs()?;
        if is_complete {
            self.audit_counts(account, references, audit)?;
        }
        if blobs != account.blobs {
            let counters = account.blobs;
            let text = format!(
                "blob counters are {} referenced and {} stored, but {} and {} exist",
                counters.referenced, counters.stored, blobs.referenced, blobs.stored
            );
            audit.fault(Fault::BlobMarks, text);
        }
        self.audit_blob_rows(audit)?;
        let audited = self.store.audit_pages(&account.head.data)?;
        audit.pages = audited.pages;
        audited.faults.iter().for_each(|fault| audit.derived(fault.to_string()));
        Ok(())
    }

    /// Compares the head with the commit block.
    fn audit_commit(&self, account: &AccountState, audit: &mut Audit) -> Result<(), SqlError> {
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
            audit.fault(Fault::Permanent, text);
        }
        // The commit of an inactive account may be an imported one.
        let key = self.account.signing_key().verifying_key();
        if account.active && commit.verify(key).is_err() {
            let text = "the commit's signature does not verify with the account's key";
            audit.fault(Fault::Permanent, text.to_owned());
        }
        Ok(())
    }

    /// Compares counters and indexes with the counts of the walk.
    fn audit_counts(
        &self,
        account: &AccountState,
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
        let head = self.account.state()?.head.clone();
        let tree = match Tree::load(head.data) {
            Ok(tree) => tree,
            Err(error) => {
                audit.derived(format!("invalid tree root: {error}"));
                return Ok(Walk::Ended { is_complete: false });
            }
        };
        let snapshot = self.store.snapshot(Purpose::Audit, self.host.clock.now_s());
        let mut snapshot = snapshot.ok_or(AuditError::Busy)?;
        let mut steps = Steps::new(tree);
        let mut records =
            Records { store: &self.store, last: String::new(), ahead: VecDeque::new() };
        for step in 1_u64.. {
            if step.is_multiple_of(STEPS_AT_ONCE) {
                pause().await;
                let is_ended = snapshot.resume(self.host.clock.now_s()).is_err();
                if is_ended || self.account.state()?.head.cid != head.cid {
                    return Ok(Walk::RepoChanged);
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
                    Err(SnapshotError::Lost) => return Ok(Walk::RepoChanged),
                },
                None => self.audit_entry(&mut steps, &mut records, audit)?,
            };
            if let Some(is_complete) = is_over {
                return Ok(Walk::Ended { is_complete });
            }
        }
        Err(AuditError::Busy)
    }

    /// Compares the tree's next entry with the next record. If the walk is over, returns whether it
    /// is complete.
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
        let mut missing = None;
        for cid in cids_of(&record.value) {
            audit.blob_references += 1;
            if !self.store.has_blob_ref(&cid, &record.path)? {
                missing = Some(cid);
            }
        }
        if let Some(cid) = missing {
            audit.derived(format!("missing blob reference: {} → {cid}", record.path));
        }
        match self.repo.is_subject_indexed(record)? {
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

/// Checks a node and enters it. Returns `Some(false)` if the walk cannot continue.
fn audit_node(
    steps: &mut Steps<'static>,
    node: &cid::Cid,
    entered: Entered,
    audit: &mut Audit,
) -> Option<bool> {
    // Without a `since`, no page is skipped.
    let Entered::Node(bytes) = entered else { return Some(false) };
    audit.nodes += 1;
    if cid_for(&bytes) != *node {
        audit.derived(format!("node {node} does not match its CID"));
    }
    let error = steps.enter(bytes).err()?;
    audit.derived(error.to_string());
    Some(false)
}

/// A reader of all records, in the order of their paths.
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

/// The most attempts at an audit while the repository keeps changing.
const MAX_ATTEMPTS: u32 = 5;
/// The number of nodes and records that one turn checks.
const STEPS_AT_ONCE: u64 = 500;
