//! The public part of the configuration.

use nacre_crypto::VerifyingKey;
use nacre_syntax::{AtIdentifier, Did, Handle};

use super::error::ConfigError;
use super::host_name::{decode_colons, did_web, host_name, is_local, with_encoded_port};
use super::secrets::signing_key;
use super::suggest;
use super::values::public;

/// The public part of the configuration. A host's stateless front needs nothing else.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The public host name, with a port only on this machine (`PDS_HOSTNAME`).
    pub hostname: String,
    /// The account's DID (`DID`).
    pub did: Did,
    /// The account's handle, in lower case (`HANDLE`).
    pub handle: Handle,
    /// The key that verifies commits (`SIGNING_KEY_PUBLIC`, or else the public half of
    /// `SIGNING_KEY`).
    pub signing_key: VerifyingKey,
}

impl Identity {
    /// Reads the public variables through `var`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first variable that is missing or malformed.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let host = public(&var, "PDS_HOSTNAME", "a host name", host_name, suggest::host_name)?;
        let did = public(
            &var,
            "DID",
            "a DID",
            |text| Did::parse(text.to_owned()).ok().filter(|_| with_encoded_port(text).is_none()),
            suggest::did,
        )?;
        let handle = public(
            &var,
            "HANDLE",
            "a handle",
            |text| Handle::parse(text).ok().map(|handle| handle.to_normalized()),
            suggest::handle,
        )?;
        let signing_key = match var("SIGNING_KEY_PUBLIC").filter(|text| !text.is_empty()) {
            None => signing_key(&var)?.verifying_key().clone(),
            // Not quoted: it may be the private key, by mistake.
            Some(text) => VerifyingKey::parse_multikey(&text)
                .or_else(|_| VerifyingKey::parse_did_key(&text))
                .map_err(|_| {
                    ConfigError::new("SIGNING_KEY_PUBLIC", "is neither a multikey nor a did:key")
                })?,
        };
        Ok(Self { hostname: host, did, handle, signing_key })
    }

    /// Returns whether `did` is the account's DID. Accepts a did:web whose `%3A` was decoded or
    /// encoded twice on the way.
    #[must_use]
    pub fn is_did(&self, did: &str) -> bool {
        let own = self.did.as_str();
        did == own || (own.contains("%3A") && decode_colons(did) == decode_colons(own))
    }

    /// Returns whether a DID or a handle names the account.
    #[must_use]
    pub fn is_named<S: AsRef<str>>(&self, name: &AtIdentifier<S>) -> bool {
        name.as_did().is_some_and(|did| self.is_did(did.as_str()))
            || name.as_handle().is_some_and(|handle| handle.to_normalized() == self.handle)
    }

    /// Returns the origin of the server: `https`, or `http` on this machine.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.is_local() { "http" } else { "https" };
        format!("{scheme}://{}", self.hostname)
    }

    /// Returns whether the host name is this machine's own.
    pub(crate) fn is_local(&self) -> bool {
        is_local(&self.hostname)
    }

    /// Returns whether other machines can resolve the host name.
    pub(super) fn is_public(&self) -> bool {
        let name = &self.hostname;
        let is_reserved = |domain: &&str| {
            name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        !self.is_local() && !RESERVED_DOMAINS.iter().any(is_reserved)
    }

    /// Returns the DID of the server, which is the audience of its session tokens.
    #[must_use]
    pub fn service_did(&self) -> String {
        did_web(&self.hostname)
    }
}

/// Domains without public hosts.
///
/// <https://www.iana.org/assignments/special-use-domain-names>
const RESERVED_DOMAINS: [&str; 9] = [
    "example",
    "example.com",
    "example.net",
    "example.org",
    "internal",
    "invalid",
    "local",
    "onion",
    "test",
];
