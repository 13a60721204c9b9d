//! The account's configuration: the same variables and secrets on every host.

use core::fmt;

use nacre_crypto::{Curve, SigningKey, VerifyingKey};
use nacre_syntax::{Did, Handle};
use zeroize::Zeroizing;

use crate::auth::password;
use crate::host::Rng;

/// What the world may know of the account, and all that the stateless front of a host needs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The public host name, with a port only on this machine (`PDS_HOSTNAME`).
    pub hostname: String,
    /// The account's DID (`DID`).
    pub did: Did,
    /// The account's handle, in lower case (`HANDLE`).
    pub handle: Handle,
    /// The key that commits are verified with (`SIGNING_KEY_PUBLIC`).
    pub signing_key: VerifyingKey,
}

/// All that an account is configured with.
pub struct Config {
    /// The public part.
    pub identity: Identity,
    /// The private half of the identity's key (`SIGNING_KEY`).
    pub signing_key: SigningKey,
    /// Whether the account starts active; one that moves in starts deactivated (`INITIAL_ACTIVE`).
    pub initial_active: bool,
    /// The relays that carry the account's events to the network, by their origins (`RELAYS`).
    pub relays: Vec<String>,
    /// How long an event is kept for subscribers, in hours (`EVENT_RETENTION_HOURS`).
    pub event_retention_hours: u32,
    /// How much is kept of events, in mebibytes (`EVENT_RETENTION_MIB`).
    pub event_retention_mib: u32,
    /// The most bytes that a blob may have: `BLOB_UPLOAD_LIMIT`, or `BODY_LIMIT_MB` if that is less.
    pub blob_upload_limit: u64,
    /// Whether a repository can be imported (`ACCEPT_IMPORTS`).
    pub accept_imports: bool,
    /// Signs the session tokens (`JWT_SECRET`).
    pub jwt_secret: Secret,
    /// Opens everything to the operator's own tools (`AUTH_TOKEN`).
    pub auth_token: Secret,
    /// The bcrypt hash of the account's password (`PASSWORD_HASH`).
    pub password_hash: PasswordHash,
}

/// Where Cloudflare keeps the account's object; it cannot be changed after the first request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DataLocation {
    /// Near the first request.
    Auto,
    /// Preferably in this region.
    Hint(&'static str),
    /// Never outside this jurisdiction.
    Jurisdiction(&'static str),
}

/// Text that is shown to nobody and wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// A bcrypt hash of a bounded cost.
#[derive(Clone)]
pub struct PasswordHash(String);

/// A variable that is missing or that does not hold what it should. The value is never shown.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct ConfigError {
    /// The variable's name.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Identity {
    /// Reads the public variables through `var`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first variable that is missing or malformed.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            hostname: required(&var, "PDS_HOSTNAME", "is not a host name", |text| hostname(&text))?,
            did: required(&var, "DID", "is not a DID", |text| Did::parse(text).ok())?,
            handle: required(&var, "HANDLE", "is not a handle", |text| {
                Handle::parse(text).ok().map(|handle| handle.to_normalized())
            })?,
            signing_key: required(
                &var,
                "SIGNING_KEY_PUBLIC",
                "is neither a multikey nor a did:key",
                |text| {
                    VerifyingKey::parse_multikey(&text)
                        .or_else(|_| VerifyingKey::parse_did_key(&text))
                        .ok()
                },
            )?,
        })
    }

    /// Returns the origin that clients reach the server at: `https`, but on this machine `http`.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if is_local(&self.hostname) { "http" } else { "https" };
        format!("{scheme}://{}", self.hostname)
    }

    /// Tells whether the host name is one that other machines of the network could find.
    fn is_public(&self) -> bool {
        let last = self.hostname.rsplit('.').next().unwrap_or_default();
        !is_local(&self.hostname) && !RESERVED_DOMAINS.contains(&last)
    }

    /// Returns the server's own DID, which its session tokens name as their audience.
    #[must_use]
    pub fn service_did(&self) -> String {
        did_web(&self.hostname)
    }
}

/// Returns the did:web of a host name: a port's colon is written `%3A`.
#[must_use]
pub fn did_web(hostname: &str) -> String {
    format!("did:web:{}", hostname.replace(':', "%3A"))
}

impl Config {
    /// Reads all variables and secrets through `var`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first one that is missing or malformed, or that disagrees with
    /// another.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let identity = Identity::from_vars(&var)?;
        let signing_key = required(
            &var,
            "SIGNING_KEY",
            "is neither 64 hexadecimal digits nor a JWK of a secp256k1 key",
            |text| {
                let text = Zeroizing::new(text);
                SigningKey::parse_hex(Curve::K256, text.trim())
                    .or_else(|_| SigningKey::parse_jwk(&text))
                    .ok()
            },
        )?;
        if *signing_key.verifying_key() != identity.signing_key {
            return Err(ConfigError {
                name: "SIGNING_KEY_PUBLIC",
                problem: "is not the public half of SIGNING_KEY".to_owned(),
            });
        }
        let relays = relays(&var, &identity)?;
        Ok(Self {
            identity,
            signing_key,
            relays,
            initial_active: is_true(&var, "INITIAL_ACTIVE")?,
            accept_imports: is_true(&var, "ACCEPT_IMPORTS")?,
            blob_upload_limit: blob_upload_limit(&var)?,
            event_retention_hours: number(&var, "EVENT_RETENTION_HOURS", DEFAULT_HOURS)?,
            event_retention_mib: number(&var, "EVENT_RETENTION_MIB", DEFAULT_MIB)?,
            jwt_secret: required(&var, "JWT_SECRET", SHORT, Secret::parse)?,
            auth_token: required(&var, "AUTH_TOKEN", SHORT, Secret::parse)?,
            password_hash: required(
                &var,
                "PASSWORD_HASH",
                "is not a bcrypt hash of a cost from 4 to 14",
                PasswordHash::parse,
            )?,
        })
    }
}

/// Makes the variables and secrets of a new account, as [`Config::from_vars`] reads them.
///
/// The DID is the did:web of `hostname`. A password is hashed at bcrypt's cost 10.
///
/// # Errors
///
/// [`ConfigError`] if one of the arguments does not fit its variable.
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
    let vars = vec![
        ("PDS_HOSTNAME", hostname.to_ascii_lowercase()),
        ("DID", did_web(&hostname.to_ascii_lowercase())),
        ("HANDLE", handle.to_ascii_lowercase()),
        ("SIGNING_KEY_PUBLIC", key.verifying_key().to_multikey()),
        ("SIGNING_KEY", key.to_hex().to_string()),
        ("JWT_SECRET", secret()),
        ("AUTH_TOKEN", secret()),
        ("PASSWORD_HASH", password::hash(password, rng)?),
    ];
    Config::from_vars(|name| {
        vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    })?;
    Ok(vars)
}

impl DataLocation {
    /// Reads `DATA_LOCATION` through `var`; absent means [`DataLocation::Auto`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is none of the names that Cloudflare knows.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let Some(text) = var("DATA_LOCATION") else { return Ok(Self::Auto) };
        let known = |names: &[&'static str]| names.iter().copied().find(|name| *name == text);
        match text.as_str() {
            "" | "auto" => Ok(Self::Auto),
            _ => known(&JURISDICTIONS)
                .map(Self::Jurisdiction)
                .or_else(|| known(&HINTS).map(Self::Hint))
                .ok_or_else(|| malformed("DATA_LOCATION", "is not a location that exists")),
        }
    }
}

impl Secret {
    /// Takes a secret of at least 16 bytes.
    fn parse(text: String) -> Option<Self> {
        (text.len() >= MIN_SECRET_BYTES).then(|| Self(Zeroizing::new(text)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl PasswordHash {
    /// Takes `$2a$`, `$2b$` or `$2y$`, two digits of cost and 53 characters of salt and hash.
    fn parse(text: String) -> Option<Self> {
        let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
        let (cost, rest) = rest.split_once('$')?;
        let cost: u32 = cost.parse().ok().filter(|_| cost.len() == 2)?;
        let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"./".contains(byte);
        let sound = rest.len() == 53 && rest.as_bytes().iter().all(alphabet);
        ((4..=14).contains(&cost) && sound).then_some(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("identity", &self.identity).finish_non_exhaustive()
    }
}

fn required<T>(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    problem: &str,
    parse: impl FnOnce(String) -> Option<T>,
) -> Result<T, ConfigError> {
    let text = var(name).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| malformed(name, "is missing"))?;
    parse(text).ok_or_else(|| malformed(name, problem))
}

/// Reads a variable that is `true` unless it says otherwise.
fn is_true(var: &impl Fn(&str) -> Option<String>, name: &'static str) -> Result<bool, ConfigError> {
    match var(name).as_deref() {
        None | Some("" | "true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(malformed(name, "is neither true nor false")),
    }
}

fn number(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    absent: u32,
) -> Result<u32, ConfigError> {
    let Some(text) = var(name).filter(|text| !text.is_empty()) else { return Ok(absent) };
    let number = text.parse().ok().filter(|number| (1..=MAX_RETENTION).contains(number));
    number.ok_or_else(|| malformed(name, "is not a number from one to ten thousand"))
}

/// Reads the relays. A server that they cannot reach leaves out those that are not on its machine.
fn relays(
    var: &impl Fn(&str) -> Option<String>,
    identity: &Identity,
) -> Result<Vec<String>, ConfigError> {
    let text = var("RELAYS").filter(|text| !text.trim().is_empty());
    let text = text.as_deref().unwrap_or(DEFAULT_RELAYS).trim();
    if text == "none" {
        return Ok(Vec::new());
    }
    let names = text.split([',', ' ', '\n']).filter(|name| !name.is_empty());
    let mut relays = names.map(relay).collect::<Option<Vec<_>>>().unwrap_or_default();
    if relays.is_empty() || relays.len() > MAX_RELAYS {
        return Err(malformed("RELAYS", "is neither none nor up to ten host names of relays"));
    }
    let is_reached = |relay: &String| identity.is_public() || relay.starts_with("http://");
    relays.retain(is_reached);
    Ok(relays)
}

/// Returns a relay's origin: `https`, but on this machine `http`.
fn relay(text: &str) -> Option<String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (is_secure, host) = match text.split_once("://") {
        None => (None, text),
        Some(("http", host)) => (Some(false), host),
        Some(("https", host)) => (Some(true), host),
        Some(_) => return None,
    };
    let host = hostname(host)?;
    let scheme = if is_local(&host) { "http" } else { "https" };
    let fits = is_secure.is_none_or(|secure| secure != is_local(&host));
    fits.then(|| format!("{scheme}://{host}"))
}

/// Tells whether a host name, with a port or without, is this machine's own.
fn is_local(host: &str) -> bool {
    LOCAL_HOSTS.contains(&host.split(':').next().unwrap_or_default())
}

fn malformed(name: &'static str, problem: &str) -> ConfigError {
    ConfigError { name, problem: problem.to_owned() }
}

/// Reads the smaller of the limit on blobs and the limit on request bodies in front of the server.
fn blob_upload_limit(var: &impl Fn(&str) -> Option<String>) -> Result<u64, ConfigError> {
    let within = |name, most, problem| match var(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match text.parse().ok().filter(|number| (1..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(malformed(name, problem)),
        },
    };
    let blobs = within(
        "BLOB_UPLOAD_LIMIT",
        MOST_BLOB_BYTES,
        "is not a number of bytes, up to five billion",
    )?;
    let bodies = within(
        "BODY_LIMIT_MB",
        MOST_BLOB_BYTES / BYTES_PER_MB,
        "is not a number of megabytes, up to five thousand",
    )?;
    let bodies = bodies.map_or(u64::MAX, |megabytes: u64| megabytes.saturating_mul(BYTES_PER_MB));
    Ok(blobs.unwrap_or(DEFAULT_BLOB_BYTES).min(bodies))
}

/// Accepts a DNS name, or a name of this machine with an optional port; returns it in lower case.
fn hostname(text: &str) -> Option<String> {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let local = LOCAL_HOSTS.contains(&host);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = host.len() <= 253 && host.contains('.') && host.split('.').all(label);
    let port_fits = port.is_none_or(|port| local && port.parse::<u16>().is_ok());
    ((local || name) && port_fits).then(|| text.to_ascii_lowercase())
}

/// Hosts that are this machine: reached by `http`, with a port.
const LOCAL_HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];
/// Top-level domains that are in no public DNS.
const RESERVED_DOMAINS: [&str; 6] = ["example", "internal", "invalid", "local", "onion", "test"];
/// Where the applications of Bluesky get their events from.
const DEFAULT_RELAYS: &str = "https://bsky.network";
/// Each is asked now and then, one after the other.
const MAX_RELAYS: usize = 10;
const JURISDICTIONS: [&str; 2] = ["eu", "fedramp"];
const HINTS: [&str; 9] = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"];
/// As much as Cloudflare lets a request bring to a Worker of most accounts, and a little more.
const DEFAULT_BLOB_BYTES: u64 = 100 * 1024 * 1024;
const BYTES_PER_MB: u64 = 1_000_000;
/// What R2 takes as one object.
const MOST_BLOB_BYTES: u64 = 5_000_000_000;
/// As long as relays give a host that they cannot reach.
const DEFAULT_HOURS: u32 = 72;
/// Tens of thousands of posts.
const DEFAULT_MIB: u32 = 64;
/// Over a year; as much as a Durable Object may have in all.
const MAX_RETENTION: u32 = 10_000;
const MIN_SECRET_BYTES: usize = 16;
const SHORT: &str = "is shorter than 16 characters";
