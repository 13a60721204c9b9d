//! Signing in with the account's password, rate-limited before the password is hashed.

use alloc::rc::Rc;
use core::net::IpAddr;

use nacre_syntax::AtIdentifier;

use crate::config::Config;
use crate::context::Context;
use crate::host::{Clock, Compute, Log, SqlError};
use crate::network::network_of;
use crate::store::{Attempts, Store};
use crate::text::visible;

/// Checks passwords.
pub(crate) struct SignIn {
    config: Rc<Config>,
    store: Store,
    clock: Rc<dyn Clock>,
    compute: Rc<dyn Compute>,
    log: Rc<dyn Log>,
}

/// Why a client was not signed in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SignInError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("too many attempts")]
    RateLimited,
    #[error("the password is too long")]
    TooLong,
    #[error("wrong identifier or password")]
    Wrong,
}

impl SignIn {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            config: Rc::clone(&context.config),
            store: context.store.clone(),
            clock: Rc::clone(&context.host.clock),
            compute: Rc::clone(&context.host.compute),
            log: Rc::clone(&context.host.log),
        }
    }

    /// Checks that a client knows the password. `peer` is its address, if known.
    ///
    /// Other requests run while the password is hashed. The attempt is counted before, so that
    /// concurrent ones cannot exceed the limits. Callers must read the account afterwards.
    pub(crate) async fn check_password(
        &self,
        identifier: &str,
        password: &str,
        peer: Option<IpAddr>,
    ) -> Result<(), SignInError> {
        let is_owner = self.is_owner(identifier);
        self.count_attempt(if is_owner { "owner" } else { "unknown" }, peer)?;
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(SignInError::TooLong);
        }
        // The hash is computed for unknown identifiers too, so that both refusals take the same
        // time.
        let check = self.config.password_hash.check(password);
        let is_correct = self.compute.result_of(check).await;
        let network = peer.map(|peer| network_of(peer).to_string());
        let network = network.as_deref().unwrap_or("an unknown network");
        if is_owner && is_correct {
            self.log.info("sign_in.accepted", &format!("the owner signed in from {network}"));
            Ok(())
        } else {
            // The identifier may be a password that was typed into the wrong field.
            self.log.warn("sign_in.refused", &format!("wrong password from {network}"));
            Err(SignInError::Wrong)
        }
    }

    /// Counts an attempt to sign in, or refuses it. A refusal writes nothing.
    ///
    /// From each network, 30 attempts in five minutes and 300 a day are allowed for all identifiers
    /// of the owner together, and as many for all other identifiers together. The reference server
    /// has the same limits. 100 attempts in five minutes are allowed in all.
    fn count_attempt(&self, identifier: &str, peer: Option<IpAddr>) -> Result<(), SignInError> {
        let network = peer.map(|peer| network_of(peer).to_string()).unwrap_or_default();
        let client = format!("{identifier} {network}");
        let now_s = self.clock.now_s();
        let limits =
            [(&*client, 30, 5 * 60), (&*client, 300, 24 * 60 * 60), ("anybody", 100, 5 * 60)];
        self.store.transaction(|| {
            let mut counted = Vec::with_capacity(limits.len());
            for (client, limit, window_s) in limits {
                let key = format!("sign-in {window_s} {client}");
                let window_ends_s = now_s.saturating_add(window_s);
                let open = self.store.attempts(&key, now_s)?;
                let Attempts { count, window_ends_s } =
                    open.unwrap_or(Attempts { count: 0, window_ends_s });
                if count >= limit {
                    return Err(SignInError::RateLimited);
                }
                counted.push((key, Attempts { count: count + 1, window_ends_s }));
            }
            for (key, attempts) in counted {
                self.store.put_attempts(&key, attempts)?;
            }
            Ok(())
        })
    }

    /// Returns whether an identifier is the owner's handle, DID or e-mail address. Ignores
    /// invisible characters, a leading `@`, and the letter case of handles and addresses.
    fn is_owner(&self, identifier: &str) -> bool {
        let identifier = visible(identifier);
        let email = self.config.email.as_deref();
        if email.is_some_and(|email| email.to_lowercase() == identifier.to_lowercase()) {
            return true;
        }
        let name = identifier.trim_start_matches('@').trim_start();
        AtIdentifier::parse(name).is_ok_and(|name| self.config.identity.is_named(&name))
    }
}

/// Longer passwords are refused, so that no client can make the server hash megabytes.
const MAX_PASSWORD_BYTES: usize = 512;
