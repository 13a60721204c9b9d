//! The tokens of password sessions: JWTs of one profile, signed with HMAC-SHA256.
//!
//! The algorithm is a constant, not something that a token may choose, and an access token and a
//! refresh token differ in `typ`: neither passes as the other.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::config::Secret;

/// What a token is for; the `typ` of its header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenType {
    /// Opens the account for two hours.
    Access,
    /// Buys the next pair of tokens.
    Refresh,
}

/// What a session's token says.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) scope: String,
    pub(crate) aud: String,
    pub(crate) sub: String,
    /// The session, in an access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
    /// The token's own name, in a refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jti: Option<String>,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum JwtError {
    /// It is signed as it should be, and says what none of ours does.
    Malformed,
    /// It is not ours, or not of the type wanted.
    Unverified,
}

/// Signs `claims`.
pub(crate) fn sign(token_type: TokenType, claims: &Claims, secret: &Secret) -> String {
    let header = token_type.header();
    // Strings and integers always serialise.
    let claims = serde_json::to_vec(claims).unwrap_or_default();
    let mut token = BASE64URL_NOPAD.encode(header.as_bytes());
    token.push('.');
    BASE64URL_NOPAD.encode_append(&claims, &mut token);
    let tag = mac(token.as_bytes(), secret).finalize().into_bytes();
    token.push('.');
    BASE64URL_NOPAD.encode_append(&tag, &mut token);
    token
}

/// Returns what a token says if we signed it as one of `token_type`. Its times are not looked at.
pub(crate) fn verify(
    token_type: TokenType,
    token: &str,
    secret: &Secret,
) -> Result<Claims, JwtError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(JwtError::Unverified);
    }
    let (signed, tag) = token.rsplit_once('.').ok_or(JwtError::Unverified)?;
    let (header, claims) = signed.split_once('.').ok_or(JwtError::Unverified)?;
    let tag = decode(tag)?;
    mac(signed.as_bytes(), secret).verify_slice(&tag).map_err(|_| JwtError::Unverified)?;
    // From here on the token is one that the holder of the secret made.
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(malformed)?;
    if header.alg != ALGORITHM || header.typ != token_type.name() {
        return Err(JwtError::Unverified);
    }
    serde_json::from_slice(&decode(claims)?).map_err(malformed)
}

impl TokenType {
    fn name(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "refresh+jwt",
        }
    }

    fn header(self) -> String {
        format!(r#"{{"typ":"{}","alg":"{ALGORITHM}"}}"#, self.name())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
}

fn mac(signed: &[u8], secret: &Secret) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(signed);
    mac
}

fn decode(part: &str) -> Result<Vec<u8>, JwtError> {
    BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| JwtError::Unverified)
}

fn malformed(_: serde_json::Error) -> JwtError {
    JwtError::Malformed
}

const ALGORITHM: &str = "HS256";
/// Ours have some 400 bytes.
const MAX_TOKEN_BYTES: usize = 8_192;
