//! Session tokens: JWTs of one fixed profile, signed with HMAC-SHA256.
//!
//! A token cannot choose its algorithm. Access and refresh tokens differ in `typ`, so neither is
//! accepted as the other.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::config::Secret;

/// The type of a token: the `typ` of its header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenType {
    /// Gives access to the account for two hours.
    Access,
    /// Is exchanged for the next pair of tokens.
    Refresh,
}

/// The claims of a session token.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) scope: String,
    pub(crate) aud: String,
    pub(crate) sub: String,
    /// The id of the session, in an access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
    /// The id of the token, in a refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jti: Option<String>,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum JwtError {
    /// The signature is valid, but no token of this server has such a header or such claims.
    Malformed,
    /// The token is not signed by this server, or is of another type.
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

/// Returns the claims of a token that this server signed as `token_type`. Does not check its times.
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
    // From here on, the token is known to be from a holder of the secret.
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

/// The scope of a session that was opened with the account's password.
pub(super) const ACCESS_SCOPE: &str = "com.atproto.access";
/// The scope of every refresh token.
pub(super) const REFRESH_SCOPE: &str = "com.atproto.refresh";
const ALGORITHM: &str = "HS256";
/// Longer tokens are not decoded. This server's tokens have about 400 bytes.
const MAX_TOKEN_BYTES: usize = 8_192;
