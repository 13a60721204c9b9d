//! Activation, deactivation and identity changes, and the events that announce them.

use nacre_commit::{Commit, Head, UnsignedCommit, Version};
use nacre_lexicon::cid_for;

use super::events;
use crate::Pds;
use crate::host::SqlError;
use crate::store::{Account, Announced, DEACTIVATED};

/// Why an account cannot be activated.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ActivationError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("an import is under way")]
    Importing,
}

impl Pds {
    /// Activates the account, and announces who it is and where its repository stands. An active
    /// account announces it again, for those that missed it.
    ///
    /// Subscribers only accept commits that are signed with the account's key and whose revs go
    /// up. Where the head is not one, as after an import, a fresh commit over the same tree
    /// replaces it.
    pub(crate) fn activate(&self) -> Result<(), ActivationError> {
        if self.importing.get() {
            return Err(ActivationError::Importing);
        }
        self.tell(|| {
            self.store.set_active(true)?;
            self.want_relays()?;
            let identity = &self.config.identity;
            let (did, handle) = (identity.did.as_str(), identity.handle.as_str());
            let (account, commit, block) = self.announceable_head()?;
            let (head, time) = (account.head.cid, self.now_text());
            self.log_events(
                account.seq,
                &[
                    &|seq| events::account(seq, did, None, &time),
                    &|seq| events::identity(seq, did, handle, &time),
                    &|seq| events::sync(seq, &commit, &head, &block, &time),
                ],
            )
        })?;
        Ok(())
    }

    /// Mends the head of a database from before imported commits kept their own revs: an inactive
    /// account's gets the rev inside it; an active account's is replaced and announced if
    /// subscribers would not accept it.
    pub(crate) fn mend_head(&self) -> Result<(), SqlError> {
        self.tell(|| {
            let before = self.account()?;
            if !before.active {
                self.mend_rev(before)?;
                return Ok(Vec::new());
            }
            let head = before.head;
            let (account, commit, block) = self.announceable_head()?;
            if account.head == head {
                return Ok(Vec::new());
            }
            let time = self.now_text();
            self.log_events(
                account.seq,
                &[&|seq| events::sync(seq, &commit, &account.head.cid, &block, &time)],
            )
        })
    }

    fn mend_rev(&self, account: Account) -> Result<(), SqlError> {
        let Some(block) = self.store.commit_block()? else { return Ok(()) };
        let Ok(Commit { rev, .. }) = Commit::decode(&block) else { return Ok(()) };
        let head = Head { rev, ..account.head };
        self.store.set_commit(&Account { head, ..account }, &block)
    }

    /// Returns the account with a head that subscribers accept, its commit and block, in the
    /// caller's transaction, and counts it as announced.
    fn announceable_head(&self) -> Result<(Account, Commit, Vec<u8>), SqlError> {
        let account = self.account()?;
        let no_commit = || SqlError("there is no commit".to_owned());
        let block = self.store.commit_block()?.ok_or_else(no_commit)?;
        let commit = self.acceptable(&account, &block).unwrap_or_else(|| {
            let Head { did, data, .. } = account.head.clone();
            let rev = self.tid_after(Some(account.last_tid()));
            UnsignedCommit { did, data, rev }.sign(&self.config.signing_key)
        });
        let (head, block) = head_of(&commit);
        let announced = Some(Announced { rev: head.rev, cid: head.cid });
        let account = Account { announced, head, ..account };
        self.store.set_commit(&account, &block)?;
        Ok((account, commit, block))
    }

    /// Returns the commit of the head if subscribers accept it: signed with our key, and no older
    /// than what they know.
    fn acceptable(&self, account: &Account, block: &[u8]) -> Option<Commit> {
        let commit = Commit::decode(block).ok()?;
        let Head { cid, rev, .. } = account.head;
        let is_newest = account.announced.is_none_or(|announced| {
            commit.rev > announced.rev || announced == Announced { rev: commit.rev, cid }
        });
        let key = self.config.signing_key.verifying_key();
        let is_ours = commit.version == Version::V3 && commit.verify(key).is_ok();
        (is_ours && is_newest && commit.rev == rev).then_some(commit)
    }

    /// Deactivates the account and announces it. Nothing is deleted.
    pub(crate) fn deactivate(&self) -> Result<(), SqlError> {
        self.tell(|| {
            self.store.set_active(false)?;
            let did = self.config.identity.did.as_str();
            let (last, time) = (self.account()?.seq, self.now_text());
            self.log_events(last, &[&|seq| events::account(seq, did, Some(DEACTIVATED), &time)])
        })
    }

    /// Announces that the handle or the DID document may have changed, so that subscribers resolve
    /// them again.
    pub(crate) fn tell_identity(&self) -> Result<(), SqlError> {
        self.tell(|| {
            let identity = &self.config.identity;
            let (did, handle) = (identity.did.as_str(), identity.handle.as_str());
            let (last, time) = (self.account()?.seq, self.now_text());
            self.log_events(last, &[&|seq| events::identity(seq, did, handle, &time)])
        })
    }

    /// Makes a change and logs its events in one transaction, then sends the events.
    fn tell(
        &self,
        change: impl FnOnce() -> Result<Vec<Vec<u8>>, SqlError>,
    ) -> Result<(), SqlError> {
        let (frames, event_bytes) = self.store.transaction(|| {
            let frames = change()?;
            Ok::<_, SqlError>((frames, self.account()?.event_bytes))
        })?;
        frames.iter().for_each(|frame| self.announce(frame));
        // Relays may be wanted sooner than the alarm is set for.
        self.wake_for_events(event_bytes, true);
        Ok(())
    }
}

/// Returns the head that a commit makes, and its block.
pub(super) fn head_of(commit: &Commit) -> (Head, Vec<u8>) {
    let block = commit.encode();
    let Commit { did, data, rev, .. } = commit;
    (Head { did: did.clone(), cid: cid_for(&block), data: *data, rev: *rev }, block)
}
