//! The `setup` row: the id of this database, and the variables of the first start.

use alloc::rc::Rc;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::Config;
use crate::host::{Host, SqlError};
use crate::store::{MarkerState, Setup, SetupValues, Store};

/// Reads and writes the row. A variable that differs from it only causes a warning, because a
/// rollback of a deployment brings old variables back.
#[derive(Debug)]
pub(crate) struct SetupRecord {
    config: Rc<Config>,
    store: Store,
    host: Rc<Host>,
}

impl SetupRecord {
    pub(crate) fn new(config: Rc<Config>, store: Store, host: Rc<Host>) -> Self {
        Self { config, store, host }
    }

    /// Returns the row. Creates it if it does not exist.
    pub(crate) fn get(&self) -> Result<Setup, SqlError> {
        if let Some(setup) = self.store.setup()? {
            return Ok(setup);
        }
        let (mut id, mut salt) = ([0; 16], vec![0; 32]);
        self.host.rng.fill(&mut id);
        self.host.rng.fill(&mut salt);
        let owner_id = HEXLOWER.encode(&id);
        self.store.insert_setup(&owner_id, &salt)?;
        Ok(Setup { owner_id, marker: MarkerState::Unknown, salt, values: None })
    }

    /// Records the variables of the first start, once.
    pub(crate) fn remember_values(&self) -> Result<Setup, SqlError> {
        let setup = self.get()?;
        if setup.values.is_none() {
            self.store.set_setup_values(&self.values(&setup.salt))?;
        }
        Ok(setup)
    }

    /// Returns a warning for each variable that differs from its value at the first start, and one
    /// if the bucket names another owner.
    pub(crate) fn warnings(&self) -> Result<Vec<String>, SqlError> {
        let Some(setup) = self.store.setup()? else { return Ok(Vec::new()) };
        let mut warnings = Vec::new();
        if self.host.owner_marker.is_some() && setup.marker == MarkerState::Other {
            warnings.push(OTHER_OWNER.to_owned());
        }
        let Some(then) = &setup.values else { return Ok(warnings) };
        let now = self.values(&setup.salt);
        for (name, now, then) in
            [("HANDLE", &now.handle, &then.handle), ("PDS_HOSTNAME", &now.hostname, &then.hostname)]
        {
            if now != then {
                warnings.push(format!(
                    "{name} is \"{now}\", but this account was set up with \"{then}\""
                ));
            }
        }
        if now.key_fingerprint != then.key_fingerprint {
            warnings
                .push("SIGNING_KEY is not the key that this account was set up with".to_owned());
        }
        Ok(warnings)
    }

    /// Returns the current values of the variables.
    fn values(&self, salt: &[u8]) -> SetupValues {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(salt)
            .expect("HMAC takes a key of any length");
        mac.update(self.config.signing_key.to_hex().as_bytes());
        SetupValues {
            handle: self.config.identity.handle.as_str().to_owned(),
            hostname: self.config.identity.hostname.clone(),
            key_fingerprint: mac.finalize().into_bytes().to_vec(),
        }
    }
}

/// The warning that the bucket names another database as the owner.
pub(crate) const OTHER_OWNER: &str = "the bucket names another database as the account's owner; if \
    this database should be the owner, send POST /operator/claim";
