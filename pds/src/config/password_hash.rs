//! The bcrypt hash of the account's password.

use crate::host::Rng;

/// A bcrypt hash with a cost from 4 to 14.
#[derive(Clone)]
pub struct PasswordHash(String);

/// A password that cannot be hashed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum PasswordError {
    #[error("cannot be computed: {0}")]
    Bcrypt(String),
    #[error("needs a password of 1 to 72 bytes")]
    Length,
}

impl PasswordHash {
    /// Hashes a new password at cost 10.
    pub(super) fn new(password: &str, rng: &dyn Rng) -> Result<Self, PasswordError> {
        // bcrypt reads 72 bytes: a longer password would be weaker than it looks.
        if password.is_empty() || password.len() > MAX_PASSWORD_BYTES {
            return Err(PasswordError::Length);
        }
        let mut salt = [0; 16];
        rng.fill(&mut salt);
        // Makes the salt's text begin with a digit, so that programs that substitute `$name` in env
        // files find no name in `$2b$10$9…`. This costs three of 128 bits.
        salt[0] = 0b1101_1000 + (salt[0] >> 5 << 2) + (salt[0] & 0b11);
        match bcrypt::hash_with_salt(password, COST, salt) {
            Ok(parts) => Ok(Self(parts.to_string())),
            Err(error) => Err(PasswordError::Bcrypt(error.to_string())),
        }
    }

    /// Parses `$2a$`, `$2b$` or `$2y$`, two digits of cost, and 53 characters of salt and hash.
    ///
    /// Accepts the quotes of an env file around it, because not every program strips them.
    #[must_use]
    pub fn parse(text: String) -> Option<Self> {
        let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote).map(str::to_owned);
        let text = quoted('\'').or_else(|| quoted('"')).unwrap_or(text);
        let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
        let (cost, rest) = rest.split_once('$')?;
        let cost: u32 = cost.parse().ok().filter(|_| cost.len() == 2)?;
        let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"./".contains(byte);
        let is_well_formed = rest.len() == 53 && rest.as_bytes().iter().all(in_alphabet);
        ((4..=14).contains(&cost) && is_well_formed).then_some(Self(text))
    }

    /// Returns whether this is the hash of `password`. Takes about 70 ms of CPU at cost 10.
    #[must_use]
    pub fn is_of(&self, password: &str) -> bool {
        // Like other implementations, this compares the first 72 bytes only.
        let bytes = password.as_bytes();
        let compared = bytes.get(..MAX_PASSWORD_BYTES).unwrap_or(bytes);
        bcrypt::verify(compared, &self.0).unwrap_or(false)
    }

    /// Returns the text of the hash.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The cost that the reference server and Cirrus use.
const COST: u32 = 10;
const MAX_PASSWORD_BYTES: usize = 72;
