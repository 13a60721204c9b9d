//! Taking part in the network, and leaving it: the state, and the events that tell of it.

use nacre_commit::Commit;

use super::events;
use crate::Pds;
use crate::host::SqlError;
use crate::store::DEACTIVATED;

impl Pds {
    /// Lets the account take part, and tells who it is and where its repository stands; so it does
    /// for an account that takes part already, for those that have missed it.
    pub(crate) fn activate(&self) -> Result<(), SqlError> {
        self.set_active(true, |pds| {
            let identity = &pds.config.identity;
            let (did, handle) = (identity.did.as_str(), identity.handle.as_str());
            let no_commit = || SqlError("there is no commit".to_owned());
            let block = pds.store.commit_block()?.ok_or_else(no_commit)?;
            let commit = Commit::decode(&block).map_err(|error| SqlError(error.to_string()))?;
            let account = pds.account()?;
            let (head, time) = (account.head.cid, pds.now_text());
            pds.log_events(
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
        self.set_active(false, |pds| {
            let did = pds.config.identity.did.as_str();
            let (last, time) = (pds.account()?.seq, pds.now_text());
            pds.log_events(last, &[&|seq| events::account(seq, did, Some(DEACTIVATED), &time)])
        })
    }

    /// Changes the state and logs the events that tell of it, in one transaction.
    fn set_active(
        &self,
        active: bool,
        log: impl Fn(&Self) -> Result<Vec<Vec<u8>>, SqlError>,
    ) -> Result<(), SqlError> {
        let (frames, event_bytes) = self.store.transaction(|| {
            self.store.set_active(active)?;
            let frames = log(self)?;
            if active {
                self.want_relays()?;
            }
            Ok::<_, SqlError>((frames, self.account()?.event_bytes))
        })?;
        frames.iter().for_each(|frame| self.announce(frame));
        self.wake_for_events(event_bytes);
        if active {
            // Even if it is set for relays already: sooner.
            self.wake();
        }
        Ok(())
    }
}
