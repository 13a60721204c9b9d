//! Consistency checks of blobs: compares the database with the blob store.

use cid::Cid;

use super::checker::Integrity;
use super::report::{Audit, AuditError, Fault};
use crate::host::SqlError;

impl Integrity {
    /// Compares the blobs in the database with those in the blob store, and adds faults to `audit`.
    ///
    /// Blobs may come and go during the audit, so both sides are read again before a fault is
    /// reported.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the database or the blob store cannot be read.
    pub(crate) async fn audit_blobs(&self, audit: &mut Audit) -> Result<(), AuditError> {
        let mut last = String::new();
        loop {
            let page = self.store.blobs_after(&last)?;
            let Some((end, _)) = page.last() else { break };
            last.clone_from(end);
            for (key, blob) in page {
                audit.blobs += 1;
                let Ok(cid) = Cid::try_from(key.as_str()) else {
                    audit.fault(Fault::Blobs, format!("blob {key:?} has an invalid CID"));
                    continue;
                };
                if self.host.blobs.size(&cid).await? != Some(blob.size)
                    && let Some(fault) = self.blob_fault(&cid).await?
                {
                    audit.fault(Fault::Blobs, fault);
                }
            }
        }
        let keeps_orphans = self.keeps_orphans()?;
        let (mut last, mut orphans, mut kept) = (None, 0, None);
        loop {
            let page = self.host.blobs.list(last.as_ref()).await?;
            let Some(end) = page.last() else { break };
            last = Some(*end);
            for cid in page {
                // Faults beyond the limit are not listed, so they need not be confirmed.
                if orphans >= Audit::MAX_FAULTS || self.blobs.is_known(&cid)? {
                    continue;
                }
                let is_kept = keeps_orphans && !self.store.is_blob_referenced(&cid.to_string())?;
                if is_kept && kept.is_some() || !self.is_orphaned(&cid).await? {
                    continue;
                }
                if is_kept {
                    kept = Some(cid);
                    continue;
                }
                orphans += 1;
                let fault = if self.store.is_blob_referenced(&cid.to_string())? {
                    format!("blob {cid} is stored and referenced, but not in the database")
                } else {
                    format!("orphaned blob: {cid}")
                };
                audit.fault(Fault::Blobs, fault);
            }
            self.host.compute.next_turn().await;
        }
        audit.warnings.extend(kept.map(|cid| {
            format!(
                "stored blobs are not in the database, such as {cid}; they are kept until the \
                 account has been active and no import is staged"
            )
        }));
        Ok(())
    }

    /// Compares a blob's row with the store. Returns a fault only if the row states the same size
    /// before and after the store answers.
    async fn blob_fault(&self, cid: &Cid) -> Result<Option<String>, AuditError> {
        let key = cid.to_string();
        for _ in 0..MAX_ATTEMPTS {
            let Some(before) = self.store.blob(&key)? else { return Ok(None) };
            let size = self.host.blobs.size(cid).await?;
            // Read the row again in the turn in which the store answered.
            let Some(now) = self.store.blob(&key)? else { return Ok(None) };
            match size {
                Some(size) if size == now.size => return Ok(None),
                _ if now.size != before.size => {}
                Some(size) => {
                    let text = format!(
                        "blob {cid} is {size} bytes, but {} were uploaded; upload it again",
                        now.size
                    );
                    return Ok(Some(text));
                }
                None => return Ok(Some(format!("blob {cid} is not stored"))),
            }
        }
        Ok(None)
    }

    /// Returns whether a blob is stored but not in the database, on a second look.
    async fn is_orphaned(&self, cid: &Cid) -> Result<bool, AuditError> {
        // The bytes of an upload are stored shortly before it is added to the database.
        self.host.compute.next_turn().await;
        let is_stored = self.host.blobs.size(cid).await?.is_some();
        Ok(is_stored && !self.blobs.is_known(cid)?)
    }

    /// Checks that exactly the unreferenced blobs are marked idle.
    pub(super) fn audit_blob_rows(&self, audit: &mut Audit) -> Result<(), SqlError> {
        let mut last = String::new();
        loop {
            let page = self.store.blobs_after(&last)?;
            let Some((end, _)) = page.last() else { return Ok(()) };
            last.clone_from(end);
            for (cid, blob) in page {
                let fault = match (blob.idle_since_s, self.store.is_blob_referenced(&cid)?) {
                    (Some(_), true) => "is referenced, but marked idle",
                    (None, false) => "is unreferenced, but not marked idle",
                    (None, true) | (Some(_), false) => continue,
                };
                audit.fault(Fault::BlobMarks, format!("blob {cid} {fault}"));
            }
        }
    }
}

/// The most attempts to check a blob while its row keeps changing.
const MAX_ATTEMPTS: u32 = 5;
