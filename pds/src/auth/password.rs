//! The account's password: one bcrypt hash, checked at most once an attempt.

use crate::config::{ConfigError, PasswordHash};
use crate::host::Rng;

/// Hashes a new password.
pub(crate) fn hash(password: &str, rng: &dyn Rng) -> Result<String, ConfigError> {
    // bcrypt reads 72 bytes: a longer password would be weaker than it looks.
    if password.is_empty() || password.len() > MAX_NEW_PASSWORD_BYTES {
        let problem = "needs a password of 1 to 72 bytes".to_owned();
        return Err(ConfigError { name: "PASSWORD_HASH", problem });
    }
    let mut salt = [0; 16];
    rng.fill(&mut salt);
    // The text of the salt begins with a digit: programs that read an env file, and put variables
    // in the place of `$name`, take `$2b$10$9…` for no name. It costs three of 128 bits.
    salt[0] = 0b1101_1000 + (salt[0] >> 5 << 2) + (salt[0] & 0b11);
    bcrypt::hash_with_salt(password, COST, salt).map(|parts| parts.to_string()).map_err(|error| {
        ConfigError { name: "PASSWORD_HASH", problem: format!("could not be made: {error}") }
    })
}

/// Tells whether `password` is the one that `hash` was made of. Takes some 70 ms of CPU.
pub(crate) fn matches(password: &str, hash: &PasswordHash) -> bool {
    // Like the library that made the hashes of older servers, it looks at the first 72 bytes only.
    let bytes = password.as_bytes();
    let looked_at = bytes.get(..MAX_NEW_PASSWORD_BYTES).unwrap_or(bytes);
    bcrypt::verify(looked_at, hash.as_str()).unwrap_or(false)
}

/// What the reference server and Cirrus hash with.
const COST: u32 = 10;
const MAX_NEW_PASSWORD_BYTES: usize = 72;
