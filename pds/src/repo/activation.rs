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
        self.set_active(true, |pds, seq, time| {
            let identity = &pds.config.identity;
            let (did, handle) = (identity.did.as_str(), identity.handle.as_str());
            let no_commit = || SqlError("there is no commit".to_owned());
            let block = pds.store.commit_block()?.ok_or_else(no_commit)?;
            let commit = Commit::decode(&block).map_err(|error| SqlError(error.to_string()))?;
            let head = pds.account()?.head.cid;
            Ok(vec![
                events::account(seq + 1, did, None, time),
                events::identity(seq + 2, did, handle, time),
                events::sync(seq + 3, &commit, &head, &block, time),
            ])
        })
    }

    /// Has the account leave the network, and tells so. Nothing is deleted.
    pub(crate) fn deactivate(&self) -> Result<(), SqlError> {
        self.set_active(false, |pds, seq, time| {
            let did = pds.config.identity.did.as_str();
            Ok(vec![events::account(seq + 1, did, Some(DEACTIVATED), time)])
        })
    }

    /// Changes the state with the events that come after `seq`, in one transaction.
    fn set_active(
        &self,
        active: bool,
        told: impl Fn(&Self, i64, &str) -> Result<Vec<Vec<u8>>, SqlError>,
    ) -> Result<(), SqlError> {
        let frames = self.store.transaction(|| {
            let first = self.account()?.seq;
            let frames = told(self, first, &self.now_text())?;
            let mut seq = first;
            for frame in &frames {
                seq += 1;
                self.store.put_event(seq, frame)?;
            }
            self.store.set_active(active, seq)?;
            Ok::<_, SqlError>(frames)
        })?;
        frames.iter().for_each(|frame| self.announce(frame));
        Ok(())
    }
}
