//! Taking part in the network, leaving it, and being somebody else than before: the state, and the
//! events that tell of it.

use nacre_commit::Commit;

use super::events;
use crate::Pds;
use crate::host::SqlError;
use crate::store::DEACTIVATED;

impl Pds {
    /// Lets the account take part, and tells who it is and where its repository stands; so it does
    /// for an account that takes part already, for those that have missed it.
    pub(crate) fn activate(&self) -> Result<(), SqlError> {
        self.tell(|| {
            self.store.set_active(true)?;
            self.want_relays()?;
            let identity = &self.config.identity;
            let (did, handle) = (identity.did.as_str(), identity.handle.as_str());
            let no_commit = || SqlError("there is no commit".to_owned());
            let block = self.store.commit_block()?.ok_or_else(no_commit)?;
            let commit = Commit::decode(&block).map_err(|error| SqlError(error.to_string()))?;
            let account = self.account()?;
            let (head, time) = (account.head.cid, self.now_text());
            self.log_events(
                account.seq,
                &[
                    &|seq| events::account(seq, did, None, &time),
                    &|seq| events::identity(seq, did, handle, &time),
                    &|seq| events::sync(seq, &commit, &head, &block, &time),
                ],
            )
        })
    }

    /// Has the account leave the network, and tells so. Nothing is deleted.
    pub(crate) fn deactivate(&self) -> Result<(), SqlError> {
        self.tell(|| {
            self.store.set_active(false)?;
            let did = self.config.identity.did.as_str();
            let (last, time) = (self.account()?.seq, self.now_text());
            self.log_events(last, &[&|seq| events::account(seq, did, Some(DEACTIVATED), &time)])
        })
    }

    /// Tells that the account's handle or its DID document may have changed, so that who listens
    /// looks for them anew.
    pub(crate) fn tell_identity(&self) -> Result<(), SqlError> {
        self.tell(|| {
            let identity = &self.config.identity;
            let (did, handle) = (identity.did.as_str(), identity.handle.as_str());
            let (last, time) = (self.account()?.seq, self.now_text());
            self.log_events(last, &[&|seq| events::identity(seq, did, handle, &time)])
        })
    }

    /// Changes something and logs the events that tell of it, in one transaction; then tells them.
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
