//! The account's identity, signing key and state.

use alloc::rc::Rc;

use nacre_crypto::SigningKey;
use nacre_syntax::{Did, Handle};

use crate::config::{Config, Identity};
use crate::host::SqlError;
use crate::store::{AccountState, Store};

/// The one account of this server.
#[derive(Debug)]
pub(crate) struct Account {
    config: Rc<Config>,
    store: Store,
}

impl Account {
    pub(crate) fn new(config: Rc<Config>, store: Store) -> Self {
        Self { config, store }
    }

    /// Returns the DID, the handle, the host name and the public key.
    pub(crate) fn identity(&self) -> &Identity {
        &self.config.identity
    }

    pub(crate) fn did(&self) -> &Did {
        &self.config.identity.did
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.config.identity.handle
    }

    /// Returns the key that signs commits.
    pub(crate) fn signing_key(&self) -> &SigningKey {
        &self.config.signing_key
    }

    /// Returns the state of the account: active or not, the head of its repository, the counters.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the database fails or the account has not been started.
    pub(crate) fn state(&self) -> Result<Rc<AccountState>, SqlError> {
        self.store.account()?.ok_or_else(|| SqlError::other("this database has no account"))
    }
}
