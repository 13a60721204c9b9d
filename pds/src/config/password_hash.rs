//! The bcrypt hash of the account's password.

use core::task::Poll;

use subtle::ConstantTimeEq as _;

use super::bcrypt::{Bcrypt, Digest, MAX_PASSWORD_BYTES, Salt, from_base64, to_base64};
use crate::host::Rng;

/// A bcrypt hash with a cost from 4 to 14.
#[derive(Clone)]
pub struct PasswordHash {
    cost: u32,
    salt: Salt,
    digest: Digest,
}

/// A password that cannot be hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("needs a password of 1 to 72 bytes")]
pub(super) struct PasswordLengthError;

impl PasswordHash {
    /// Hashes a new password at cost 10. Takes about 50 ms.
    pub(super) fn new(password: &str, rng: &dyn Rng) -> Result<Self, PasswordLengthError> {
        // bcrypt reads 72 bytes: a longer password would be weaker than it looks.
        if password.is_empty() || password.len() > MAX_PASSWORD_BYTES {
            return Err(PasswordLengthError);
        }
        let mut salt = [0; 16];
        rng.fill(&mut salt);
        // Makes the salt's text begin with a digit, so that programs that substitute `$name` in env
        // files find no name in `$2b$10$9…`. This costs three of 128 bits.
        salt[0] = 0b1101_1000 + (salt[0] >> 5 << 2) + (salt[0] & 0b11);
        let mut bcrypt = Bcrypt::new(password.as_bytes(), COST, salt);
        let digest = run(|| bcrypt.step());
        Ok(Self { cost: COST, salt, digest })
    }

    /// Parses `$2a$`, `$2b$` or `$2y$`, two digits of cost, and 53 characters of salt and hash.
    ///
    /// Accepts the quotes of an env file around it, because not every program strips them.
    #[must_use]
    pub fn parse(text: String) -> Option<Self> {
        let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
        let text = quoted('\'').or_else(|| quoted('"')).unwrap_or(&text);
        let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
        let (digits, rest) = rest.split_once('$')?;
        let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let cost = digits.parse().ok().filter(|_| is_number)?;
        let (salt, digest) = rest.split_at_checked(22)?;
        let (salt, digest) = (from_base64(salt)?, from_base64(digest)?);
        (4..=14).contains(&cost).then_some(Self { cost, salt, digest })
    }

    /// Returns whether this is the hash of `password`. Takes about 50 ms of CPU at cost 10, and
    /// twice as long for each step up.
    #[must_use]
    pub fn is_of(&self, password: &str) -> bool {
        run(self.check(password))
    }

    /// Like [`Self::is_of`], as the steps of a [`Job`](crate::host::Job).
    ///
    /// Like other implementations, this compares the first 72 bytes only.
    pub(crate) fn check(&self, password: &str) -> impl FnMut() -> Poll<bool> + Send + 'static {
        let mut bcrypt = Bcrypt::new(password.as_bytes(), self.cost, self.salt);
        let expected = self.digest;
        move || bcrypt.step().map(|digest| digest.ct_eq(&expected).into())
    }

    /// Returns the text of the hash.
    pub(super) fn to_text(&self) -> String {
        let Self { cost, salt, digest } = self;
        format!("$2b${cost:02}${}{}", to_base64(salt), to_base64(digest))
    }
}

/// Calls `step` until it returns a value.
fn run<T>(mut step: impl FnMut() -> Poll<T>) -> T {
    loop {
        if let Poll::Ready(value) = step() {
            return value;
        }
    }
}

/// The cost that the reference server and Cirrus use.
const COST: u32 = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dev::Memory;

    /// A password of up to 100 bytes, around the limit too.
    fn password() -> impl Strategy<Value = String> {
        let char = prop_oneof![Just('\0'), Just('a'), "[ -~]".prop_map(first), any::<char>()];
        let text = |size| proptest::collection::vec(char.clone(), size).prop_map(String::from_iter);
        let text = prop_oneof![text(0..30), text(68..76), text(0..100)];
        text.prop_map(|text| text.chars().scan(0, up_to_100_bytes).collect())
    }

    fn first(text: String) -> char {
        text.chars().next().unwrap()
    }

    fn up_to_100_bytes(size: &mut usize, next: char) -> Option<char> {
        *size += next.len_utf8();
        (*size <= 100).then_some(next)
    }

    /// Returns the hash that the `bcrypt` crate makes, in one of its versions.
    fn expected(password: &[u8], cost: u32, salt: [u8; 16], version: usize) -> String {
        let parts = bcrypt::hash_with_salt(password, cost, salt).unwrap();
        let versions = [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY];
        parts.format_for_version(versions.into_iter().nth(version).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn hashes_equal_those_of_another_implementation(
            password in password(),
            other in password(),
            cost in 4_u32..=6,
            salt: [u8; 16],
            version in 0_usize..3,
        ) {
            let text = expected(password.as_bytes(), cost, salt, version);
            let hash = PasswordHash::parse(text.clone()).unwrap();
            prop_assert_eq!(hash.to_text(), text.replace("$2a$", "$2b$").replace("$2y$", "$2b$"));
            prop_assert!(hash.is_of(&password));
            for guess in [&*other, &format!("{password}!"), &format!("{password}\0"), ""] {
                let is_equal = bcrypt::verify(guess, &text).unwrap();
                prop_assert_eq!(hash.is_of(guess), is_equal, "{:?}", guess);
            }
        }

        #[test]
        fn malformed_hashes_are_refused_as_by_another_implementation(
            salt: [u8; 16],
            position in 0_usize..60,
            byte in 0x20_u8..0x7F,
        ) {
            let mut text = expected(b"a", 4, salt, 1).into_bytes();
            text[position] = byte;
            let text = String::from_utf8(text).unwrap();
            let theirs = text.parse::<bcrypt::HashParts>();
            let has_our_cost = theirs.is_ok_and(|hash| (4..=14).contains(&hash.get_cost()));
            // The other implementation also reads `$2x$`, and `+4` as a cost.
            let is_theirs = ["$2x$", "$2b$+"].iter().any(|prefix| text.starts_with(prefix));
            let fits = has_our_cost && !is_theirs;
            prop_assert_eq!(PasswordHash::parse(text.clone()).is_some(), fits, "{}", text);
        }
    }

    #[test]
    fn hashes_of_other_lengths_are_refused() {
        let text = expected(b"a", 4, [7; 16], 1);
        for end in 0..text.len() {
            assert!(PasswordHash::parse(text[..end].to_owned()).is_none());
        }
        for more in [".", "\0", " ", "é"] {
            assert!(PasswordHash::parse(format!("{text}{more}")).is_none());
        }
        let mut multibyte = text.clone();
        multibyte.replace_range(28..30, "é");
        assert!(PasswordHash::parse(multibyte).is_none());
        assert!(PasswordHash::parse(text).is_some());
    }

    #[test]
    fn hashes_of_other_programs_match() {
        let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        for (hash, password) in [
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
            ("$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U"),
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", ""),
            ("$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui", long),
            (
                "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
                &format!("{long}chars after 72 are ignored"),
            ),
        ] {
            let hash = PasswordHash::parse(hash.to_owned()).unwrap();
            assert!(hash.is_of(password), "{password}");
            assert!(!hash.is_of(&format!("x{password}")), "{password}");
        }
    }

    #[test]
    fn new_hash_verifies_with_another_implementation() {
        let hash = PasswordHash::new("zwölf Boxkämpfer", &*Memory::new(1).host().rng).unwrap();
        assert!(bcrypt::verify("zwölf Boxkämpfer", &hash.to_text()).unwrap());
        assert!(hash.is_of("zwölf Boxkämpfer"));
    }

    #[test]
    fn cost_10_takes_32_slices() {
        let hash = PasswordHash::new("a", &*Memory::new(1).host().rng).unwrap();
        let mut step = hash.check("a");
        let slices = core::iter::from_fn(|| step().is_pending().then_some(())).count();
        assert_eq!(slices + 1, 32);
    }
}
