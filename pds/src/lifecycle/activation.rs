//! Activation, deactivation and identity changes, and the events that announce them.

use alloc::rc::Rc;

use nacre_commit::{Commit, Head, UnsignedCommit, Version};

use crate::account::Account;
use crate::context::Context;
use crate::events::{self, EventStream};
use crate::host::{Clock, Log, SqlError};
use crate::relays::Relays;
use crate::repo::{Repository, head_of};
use crate::store::{AccountState, Announced, DEACTIVATED, Store};

/// Activates and deactivates the account.
pub(crate) struct Activation {
    account: Rc<Account>,
    events: Rc<EventStream>,
    relays: Rc<Relays>,
    repo: Rc<Repository>,
    store: Store,
    clock: Rc<dyn Clock>,
    log: Rc<dyn Log>,
}

/// Why an account cannot be activated.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ActivationError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("an import or a heal is in progress")]
    Replacing,
}

/// A head that subscribers accept.
struct AnnounceableHead {
    account: AccountState,
    commit: Commit,
    block: Vec<u8>,
}

impl Activation {
    pub(crate) fn new(
        context: &Context,
        events: Rc<EventStream>,
        relays: Rc<Relays>,
        repo: Rc<Repository>,
    ) -> Self {
        Self {
            account: Rc::clone(&context.account),
            events,
            relays,
            repo,
            store: context.store.clone(),
            clock: Rc::clone(&context.host.clock),
            log: Rc::clone(&context.host.log),
        }
    }

    /// Activates the account and announces it with three events: `#account`, `#identity` and
    /// `#sync`. An active account announces itself again, for subscribers that missed it.
    ///
    /// Subscribers accept only commits that are signed with the account's key and whose revs go up.
    /// If the head is not such a commit, as after an import, a fresh commit over the same tree
    /// replaces it.
    pub(crate) fn activate(&self) -> Result<(), ActivationError> {
        if self.repo.lock.is_held() {
            return Err(ActivationError::Replacing);
        }
        self.events.publish(|| {
            self.store.set_active(true)?;
            self.relays.want_crawls()?;
            let (did, handle) = (self.account.did().as_str(), self.account.handle().as_str());
            let AnnounceableHead { account, commit, block } = self.ensure_announceable_head()?;
            let (head, time) = (account.head.cid, self.clock.now_text());
            self.events.log.append(
                account.seq,
                &[
                    &|seq| events::account(seq, did, None, &time),
                    &|seq| events::identity(seq, did, handle, &time),
                    &|seq| events::sync(seq, &commit, &head, &block, &time),
                ],
            )
        })?;
        self.log.info("account.activated", "");
        Ok(())
    }

    /// Deactivates the account and announces it with an `#account`. Deletes nothing.
    pub(crate) fn deactivate(&self) -> Result<(), SqlError> {
        self.events.publish(|| {
            self.store.set_active(false)?;
            let did = self.account.did().as_str();
            let (last, time) = (self.account.state()?.seq, self.clock.now_text());
            let frame = |seq| events::account(seq, did, Some(DEACTIVATED), &time);
            self.events.log.append(last, &[&frame])
        })?;
        self.log.info("account.deactivated", "");
        Ok(())
    }

    /// Announces with an `#identity` that the handle or the DID document may have changed, so that
    /// subscribers resolve them again.
    pub(crate) fn announce_identity(&self) -> Result<(), SqlError> {
        self.events.publish(|| {
            let (did, handle) = (self.account.did().as_str(), self.account.handle().as_str());
            let (last, time) = (self.account.state()?.seq, self.clock.now_text());
            let frame = |seq| events::identity(seq, did, handle, &time);
            self.events.log.append(last, &[&frame])
        })
    }

    /// Repairs the head of a database from a version that stored imported commits under other revs.
    ///
    /// The head of an inactive account gets the rev inside its commit. The head of an active
    /// account is replaced and announced with a `#sync` if subscribers would not accept it.
    pub(crate) fn repair_head(&self) -> Result<(), SqlError> {
        self.events.publish(|| {
            let before = self.account.state()?;
            if !before.active {
                self.repair_rev(&before)?;
                return Ok(Vec::new());
            }
            let head = &before.head;
            let AnnounceableHead { account, commit, block } = self.ensure_announceable_head()?;
            if account.head == *head {
                return Ok(Vec::new());
            }
            let time = self.clock.now_text();
            let frame = |seq| events::sync(seq, &commit, &account.head.cid, &block, &time);
            self.events.log.append(account.seq, &[&frame])
        })
    }

    fn repair_rev(&self, account: &AccountState) -> Result<(), SqlError> {
        let Some(block) = self.store.commit_block()? else { return Ok(()) };
        let Ok(Commit { rev, .. }) = Commit::decode(&block) else { return Ok(()) };
        let head = Head { rev, ..account.head.clone() };
        self.store.set_commit(&AccountState { head, ..account.clone() }, &block)
    }

    /// Returns a head that subscribers accept, in the caller's transaction, and stores it as
    /// announced. Signs a fresh commit if needed.
    fn ensure_announceable_head(&self) -> Result<AnnounceableHead, SqlError> {
        let account = self.account.state()?;
        let missing = || SqlError::other("the commit block is missing");
        let block = self.store.commit_block()?.ok_or_else(missing)?;
        let commit = self.acceptable(&account, &block).unwrap_or_else(|| {
            let Head { did, data, .. } = account.head.clone();
            let rev = self.repo.tid_after(Some(account.last_tid()));
            UnsignedCommit { did, data, rev }.sign(self.account.signing_key())
        });
        let (head, block) = head_of(&commit);
        let announced = Some(Announced { rev: head.rev, cid: head.cid });
        let account = AccountState { announced, head, ..(*account).clone() };
        self.store.set_commit(&account, &block)?;
        Ok(AnnounceableHead { account, commit, block })
    }

    /// Returns the commit of the head if subscribers accept it: signed with the account's key, and
    /// not older than the commit that they know.
    fn acceptable(&self, account: &AccountState, block: &[u8]) -> Option<Commit> {
        let commit = Commit::decode(block).ok()?;
        let Head { cid, rev, .. } = account.head;
        let is_newest = account.announced.is_none_or(|announced| {
            commit.rev > announced.rev || announced == Announced { rev: commit.rev, cid }
        });
        let key = self.account.signing_key().verifying_key();
        let is_signed = commit.version == Version::V3 && commit.verify(key).is_ok();
        (is_signed && is_newest && commit.rev == rev).then_some(commit)
    }
}
