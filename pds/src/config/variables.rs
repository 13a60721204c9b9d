//! All variables and secrets of an account.

use core::fmt;

use nacre_crypto::{Curve, SigningKey};

use super::error::ConfigError;
use super::host_name::did_web;
use super::identity::Identity;
use super::password_hash::PasswordHash;
use super::relay_list::relays;
use super::secrets::{Secret, signing_key};
use super::suggest;
use super::values::{Range, boolean, email, log_level, number, secret};
use crate::host::{Level, Rng};

/// The configuration of an account.
pub struct Config {
    /// The public part.
    pub identity: Identity,
    /// The private half of the identity's key (`SIGNING_KEY`).
    pub signing_key: SigningKey,
    /// The owner's e-mail address, which clients show and which works for signing in (`EMAIL`).
    pub email: Option<String>,
    /// Whether the account starts active (`INITIAL_ACTIVE`). An account that moves in should not.
    pub initial_active: bool,
    /// The origins of the relays that carry the account's events to the network (`RELAYS`).
    pub relays: Vec<String>,
    /// The retention of events, in hours (`EVENT_RETENTION_HOURS`).
    pub event_retention_hours: u32,
    /// The size limit of the event log, in mebibytes (`EVENT_RETENTION_MIB`).
    pub event_retention_mib: u32,
    /// The largest blob, in bytes: the smaller of the server's own limit (`BLOB_UPLOAD_LIMIT`) and
    /// the limit on request bodies in front of the server (`BODY_LIMIT_MB`).
    pub blob_upload_limit: u64,
    /// Whether a repository can be imported (`ACCEPT_IMPORTS`).
    pub accept_imports: bool,
    /// Whether URLs that strangers choose may name this machine, for tests and development
    /// (`ALLOW_LOOPBACK_URLS`). Requires a local host name.
    pub allow_loopback_urls: bool,
    /// The least serious level of log entries that are written (`LOG_LEVEL`).
    pub log_level: Level,
    /// The key of session tokens (`JWT_SECRET`).
    pub jwt_secret: Secret,
    /// The operator's token, which has access to everything (`AUTH_TOKEN`).
    pub auth_token: Secret,
    /// The bcrypt hash of the account's password (`PASSWORD_HASH`).
    pub password_hash: PasswordHash,
}

impl Config {
    /// Reads all variables and secrets through `var`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first variable that is missing, malformed or contradicts another.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let identity = Identity::from_vars(&var)?;
        let signing_key = signing_key(&var)?;
        if *signing_key.verifying_key() != identity.signing_key {
            let problem = "is not the public half of SIGNING_KEY";
            return Err(ConfigError::new("SIGNING_KEY_PUBLIC", problem));
        }
        let relays = relays(&var, &identity)?;
        let allow_loopback_urls = boolean(&var, "ALLOW_LOOPBACK_URLS", false)?;
        if allow_loopback_urls && !identity.is_local() {
            let problem = "is for development only; remove it, because PDS_HOSTNAME is not local";
            return Err(ConfigError::new("ALLOW_LOOPBACK_URLS", problem));
        }
        Ok(Self {
            identity,
            signing_key,
            relays,
            initial_active: boolean(&var, "INITIAL_ACTIVE", true)?,
            accept_imports: boolean(&var, "ACCEPT_IMPORTS", true)?,
            allow_loopback_urls,
            blob_upload_limit: blob_upload_limit(&var)?,
            event_retention_hours: number(&var, "EVENT_RETENTION_HOURS", &RETENTION_HOURS)?,
            event_retention_mib: number(&var, "EVENT_RETENTION_MIB", &RETENTION_MIB)?,
            log_level: log_level(&var)?,
            email: email(&var)?,
            jwt_secret: secret(&var, "JWT_SECRET", TOO_SHORT, Secret::parse)?,
            auth_token: secret(&var, "AUTH_TOKEN", TOO_SHORT, Secret::parse)?,
            password_hash: secret(
                &var,
                "PASSWORD_HASH",
                "is not a bcrypt hash with a cost from 4 to 14",
                PasswordHash::parse,
            )?,
        })
    }
}

/// Generates the variables and secrets of a new account, as [`Config::from_vars`] reads them.
///
/// The DID is the did:web of `hostname`. A password is hashed at bcrypt's cost 10.
///
/// # Errors
///
/// [`ConfigError`] if an argument is not valid for its variable.
pub fn new_account(
    hostname: &str,
    handle: &str,
    password: &str,
    rng: &dyn Rng,
) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let key = SigningKey::generate(Curve::K256, |bytes| rng.fill(bytes));
    let secret = || {
        let mut bytes = [0; 32];
        rng.fill(&mut bytes);
        data_encoding::HEXLOWER.encode(&bytes)
    };
    let password_hash = PasswordHash::new(password, rng)
        .map_err(|error| ConfigError::new("PASSWORD_HASH", &error.to_string()))?;
    let vars = vec![
        ("PDS_HOSTNAME", hostname.to_ascii_lowercase()),
        ("DID", did_web(&hostname.to_ascii_lowercase())),
        ("HANDLE", handle.to_ascii_lowercase()),
        ("SIGNING_KEY_PUBLIC", key.verifying_key().to_multikey()),
        ("SIGNING_KEY", key.to_hex().to_string()),
        ("JWT_SECRET", secret()),
        ("AUTH_TOKEN", secret()),
        ("PASSWORD_HASH", password_hash.to_text()),
    ];
    Config::from_vars(|name| {
        vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    })?;
    Ok(vars)
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Reads both limits on blobs and returns the smaller one.
fn blob_upload_limit(var: &impl Fn(&str) -> Option<String>) -> Result<u64, ConfigError> {
    let blobs: u64 = number(var, "BLOB_UPLOAD_LIMIT", &BLOB_BYTES)?;
    let bodies: u64 = number(var, "BODY_LIMIT_MB", &BODY_MB)?;
    Ok(blobs.min(bodies.saturating_mul(BYTES_PER_MB)))
}

/// The default is slightly more than Cloudflare's limit on a request to most Workers. The maximum
/// is R2's limit on one object.
const BLOB_BYTES: Range<'_> = Range {
    default: 100 * 1024 * 1024,
    max: 5_000_000_000,
    kind: "a number of bytes, up to five billion",
    units: suggest::BYTES,
};
/// The limit on request bodies of a proxy in front of the server. No limit by default.
const BODY_MB: Range<'_> = Range {
    default: BLOB_BYTES.max / BYTES_PER_MB,
    max: BLOB_BYTES.max / BYTES_PER_MB,
    kind: "a number of megabytes, up to five thousand",
    units: suggest::MEGABYTES,
};
const BYTES_PER_MB: u64 = 1_000_000;
/// The default is the time for which relays retry a host that they cannot reach.
const RETENTION_HOURS: Range<'_> = Range {
    default: 72,
    max: 10_000,
    kind: "a number of hours, from one to ten thousand",
    units: suggest::HOURS,
};
/// The default holds tens of thousands of posts. The maximum is the size limit of a Durable Object.
const RETENTION_MIB: Range<'_> = Range {
    default: 64,
    max: 10_000,
    kind: "a number of MiB, from one to ten thousand",
    units: suggest::MEBIBYTES,
};
const TOO_SHORT: &str = "is shorter than 16 characters";
