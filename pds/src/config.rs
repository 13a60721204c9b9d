//! The account's configuration: the same variables and secrets on every host.

mod form;
mod values;

use core::fmt;

use nacre_crypto::{Curve, SigningKey, VerifyingKey};
use nacre_syntax::{Did, Handle};
use zeroize::Zeroizing;

use self::values::{Range, email, is_local, is_true, malformed, number, public, relays, secret};
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
    /// The key that commits are verified with (`SIGNING_KEY_PUBLIC`, or else the public half of
    /// `SIGNING_KEY`).
    pub signing_key: VerifyingKey,
}

/// All that an account is configured with.
pub struct Config {
    /// The public part.
    pub identity: Identity,
    /// The private half of the identity's key (`SIGNING_KEY`).
    pub signing_key: SigningKey,
    /// The owner's e-mail address, which clients are shown and take as a name to sign in with
    /// (`EMAIL`).
    pub email: Option<String>,
    /// Whether the account starts active; one that moves in starts deactivated (`INITIAL_ACTIVE`).
    pub initial_active: bool,
    /// The relays that carry the account's events to the network, by their origins (`RELAYS`).
    pub relays: Vec<String>,
    /// How long an event is kept for subscribers, in hours (`EVENT_RETENTION_HOURS`).
    pub event_retention_hours: u32,
    /// How much is kept of events, in mebibytes (`EVENT_RETENTION_MIB`).
    pub event_retention_mib: u32,
    /// The most bytes that a blob may have: the smaller of our own limit (`BLOB_UPLOAD_LIMIT`) and
    /// that on request bodies in front of the server (`BODY_LIMIT_MB`).
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

/// A variable that is missing or that does not hold what it should. No secret is shown.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct ConfigError {
    /// The variable's name.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl ConfigError {
    /// Tells whether the variable is not set, or empty.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.problem == values::MISSING
    }
}

impl Identity {
    /// Reads the public variables through `var`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first variable that is missing or malformed.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let host = public(&var, "PDS_HOSTNAME", "a host name", values::host_name, form::host_name)?;
        let did = public(
            &var,
            "DID",
            "a DID",
            |text| {
                Did::parse(text.to_owned()).ok().filter(|_| form::with_encoded_port(text).is_none())
            },
            form::did,
        )?;
        let handle = public(
            &var,
            "HANDLE",
            "a handle",
            |text| Handle::parse(text).ok().map(|handle| handle.to_normalized()),
            form::handle,
        )?;
        let signing_key = match var("SIGNING_KEY_PUBLIC").filter(|text| !text.is_empty()) {
            None => signing_key(&var)?.verifying_key().clone(),
            // People mix up the halves of a key: it is not shown.
            Some(text) => VerifyingKey::parse_multikey(&text)
                .or_else(|_| VerifyingKey::parse_did_key(&text))
                .map_err(|_| {
                    malformed("SIGNING_KEY_PUBLIC", "is neither a multikey nor a did:key")
                })?,
        };
        Ok(Self { hostname: host, did, handle, signing_key })
    }

    /// Tells whether a client that names `did` means the account, even if the `%3A` of a did:web
    /// with a port has been decoded on its way, or encoded twice.
    #[must_use]
    pub fn is_did(&self, did: &str) -> bool {
        let own = self.did.as_str();
        did == own || (own.contains("%3A") && decoded(did) == decoded(own))
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

/// Returns a DID with its colons as they are, however often they have been encoded.
fn decoded(did: &str) -> String {
    let did = did.replace("%253A", ":").replace("%253a", ":");
    did.replace("%3A", ":").replace("%3a", ":")
}

/// Reads the private key.
fn signing_key(var: &impl Fn(&str) -> Option<String>) -> Result<SigningKey, ConfigError> {
    secret(
        var,
        "SIGNING_KEY",
        "is neither 64 hexadecimal digits nor a JWK of a secp256k1 key",
        |text| {
            let text = Zeroizing::new(text);
            SigningKey::parse_hex(Curve::K256, text.trim())
                .or_else(|_| SigningKey::parse_jwk(&text))
                .ok()
        },
    )
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
        let signing_key = signing_key(&var)?;
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
            event_retention_hours: number(&var, "EVENT_RETENTION_HOURS", &RETENTION_HOURS)?,
            event_retention_mib: number(&var, "EVENT_RETENTION_MIB", &RETENTION_MIB)?,
            email: email(&var)?,
            jwt_secret: secret(&var, "JWT_SECRET", SHORT, Secret::parse)?,
            auth_token: secret(&var, "AUTH_TOKEN", SHORT, Secret::parse)?,
            password_hash: secret(
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
                .ok_or_else(|| {
                    let names = [&["auto"][..], &HINTS, &JURISDICTIONS].concat();
                    values::unknown_location(&text, &names)
                }),
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
    /// Takes `$2a$`, `$2b$` or `$2y$`, two digits of cost and 53 characters of salt and hash, also
    /// within the quotes of an env file, which not every program that reads one takes off.
    #[must_use]
    pub fn parse(text: String) -> Option<Self> {
        let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote).map(str::to_owned);
        let text = quoted('\'').or_else(|| quoted('"')).unwrap_or(text);
        let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
        let (cost, rest) = rest.split_once('$')?;
        let cost: u32 = cost.parse().ok().filter(|_| cost.len() == 2)?;
        let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"./".contains(byte);
        let sound = rest.len() == 53 && rest.as_bytes().iter().all(alphabet);
        ((4..=14).contains(&cost) && sound).then_some(Self(text))
    }

    /// Tells whether this is the hash of `password`, which takes some 70 ms.
    #[must_use]
    pub fn is_of(&self, password: &str) -> bool {
        password::matches(password, self)
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

/// Reads the smaller of the limit on blobs and that on request bodies in front of the server.
fn blob_upload_limit(var: &impl Fn(&str) -> Option<String>) -> Result<u64, ConfigError> {
    let blobs: u64 = number(var, "BLOB_UPLOAD_LIMIT", &BLOB_BYTES)?;
    let bodies: u64 = number(var, "BODY_LIMIT_MB", &BODY_MB)?;
    Ok(blobs.min(bodies.saturating_mul(BYTES_PER_MB)))
}

/// Top-level domains that are in no public DNS.
const RESERVED_DOMAINS: [&str; 6] = ["example", "internal", "invalid", "local", "onion", "test"];
const JURISDICTIONS: [&str; 2] = ["eu", "fedramp"];
const HINTS: [&str; 9] = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"];
/// As much as Cloudflare lets a request bring to a Worker of most accounts, and a little more; the
/// most is what R2 takes as one object.
const BLOB_BYTES: Range<'_> = Range {
    absent: 100 * 1024 * 1024,
    most: 5_000_000_000,
    kind: "a number of bytes, up to five billion",
    units: form::BYTES,
};
/// What something in front of the server takes as one request; no limit if absent.
const BODY_MB: Range<'_> = Range {
    absent: BLOB_BYTES.most / BYTES_PER_MB,
    most: BLOB_BYTES.most / BYTES_PER_MB,
    kind: "a number of megabytes, up to five thousand",
    units: form::MEGABYTES,
};
const BYTES_PER_MB: u64 = 1_000_000;
/// As long as relays give a host that they cannot reach; the most is over a year.
const RETENTION_HOURS: Range<'_> = Range {
    absent: 72,
    most: 10_000,
    kind: "a number of hours, from one to ten thousand",
    units: form::HOURS,
};
/// Tens of thousands of posts; the most is as much as a Durable Object may have in all.
const RETENTION_MIB: Range<'_> = Range {
    absent: 64,
    most: 10_000,
    kind: "a number of MiB, from one to ten thousand",
    units: form::MEBIBYTES,
};
const MIN_SECRET_BYTES: usize = 16;
const SHORT: &str = "is shorter than 16 characters";
