//! Password sessions: a pair of tokens, the refresh token good for one successor.
//!
//! A session is a row, and so is each of its refresh tokens; an access token names its session.
//! When the session's row goes, every token of it is dead at once.

use data_encoding::BASE32_NOPAD;
use nacre_xrpc::XrpcError;

use super::jwt::{self, Claims, TokenType};
use crate::Pds;
use crate::api::Failure;
use crate::host::SqlError;

/// A new pair of tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) access_jwt: String,
    pub(crate) refresh_jwt: String,
}

/// Opens a session.
pub(crate) fn open(pds: &Pds) -> Result<Tokens, Failure> {
    let now_s = pds.now_s();
    let (session, refresh_id) = (random_id(pds), random_id(pds));
    let expires_s = now_s + REFRESH_LIFE_S;
    pds.store.transaction(|| -> Result<(), SqlError> {
        while let Some(oldest) = pds.store.surplus_session(MAX_SESSIONS)? {
            pds.store.remove_session(&oldest)?;
        }
        pds.store.insert_session(&session, expires_s, now_s)?;
        // Here, where no stranger can make us read them all.
        pds.store.forget_attempts(now_s)?;
        pds.store.insert_refresh_token(&refresh_id, &session, expires_s)
    })?;
    Ok(tokens(pds, &session, &refresh_id, now_s))
}

/// Continues the session of a refresh token. Within two hours of its first use the token may be
/// used again and leads to the same successor, so that clients may race or lose a reply.
pub(crate) fn refresh(pds: &Pds, id: &str) -> Result<Tokens, Failure> {
    let now_s = pds.now_s();
    let fresh_id = random_id(pds);
    let next = pds.store.transaction(|| -> Result<_, SqlError> {
        let Some(token) = pds.store.refresh_token(id)?.filter(|token| token.expires_s > now_s)
        else {
            return Ok(None);
        };
        let grace_ends_s = token.expires_s.min(now_s + REFRESH_GRACE_S);
        let next_id = token.next_id.as_deref().unwrap_or(&fresh_id);
        if token.next_id.is_none() {
            let expires_s = now_s + REFRESH_LIFE_S;
            pds.store.use_refresh_token(id, next_id, grace_ends_s)?;
            pds.store.insert_refresh_token(next_id, &token.session, expires_s)?;
            pds.store.extend_session(&token.session, expires_s)?;
            pds.store.forget_refresh_tokens(now_s)?;
        }
        Ok(Some((token.session, next_id.to_owned())))
    });
    let (session, next_id) = next?.ok_or_else(revoked)?;
    Ok(tokens(pds, &session, &next_id, now_s))
}

/// Ends the session of a refresh token; one that is already gone has ended.
pub(crate) fn close(pds: &Pds, id: &str) -> Result<(), Failure> {
    let closed: Result<(), SqlError> =
        pds.store.transaction(|| match pds.store.refresh_token(id)? {
            Some(token) => pds.store.remove_session(&token.session),
            None => Ok(()),
        });
    Ok(closed?)
}

/// The refusal of a token that was good once.
pub(crate) fn revoked() -> XrpcError {
    XrpcError::new(400, "ExpiredToken", "Token has been revoked")
}

fn tokens(pds: &Pds, session: &str, refresh_id: &str, now_s: i64) -> Tokens {
    let identity = &pds.config.identity;
    let claims = |scope: &str, life_s: i64| Claims {
        scope: scope.to_owned(),
        aud: identity.service_did(),
        sub: identity.did.as_str().to_owned(),
        sid: None,
        jti: None,
        iat: now_s,
        exp: now_s + life_s,
    };
    let access = Claims { sid: Some(session.to_owned()), ..claims(ACCESS_SCOPE, ACCESS_LIFE_S) };
    let refresh =
        Claims { jti: Some(refresh_id.to_owned()), ..claims(REFRESH_SCOPE, REFRESH_LIFE_S) };
    let secret = &pds.config.jwt_secret;
    Tokens {
        access_jwt: jwt::sign(TokenType::Access, &access, secret),
        refresh_jwt: jwt::sign(TokenType::Refresh, &refresh, secret),
    }
}

/// Returns a name that nobody guesses: 160 random bits in base32.
fn random_id(pds: &Pds) -> String {
    let mut bytes = [0; 20];
    pds.host.rng.fill(&mut bytes);
    BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
}

/// The scope of a session that was opened with the account's own password.
pub(crate) const ACCESS_SCOPE: &str = "com.atproto.access";
/// The scope of every refresh token.
pub(crate) const REFRESH_SCOPE: &str = "com.atproto.refresh";
const ACCESS_LIFE_S: i64 = 2 * 60 * 60;
const REFRESH_LIFE_S: i64 = 90 * 24 * 60 * 60;
const REFRESH_GRACE_S: i64 = 2 * 60 * 60;
/// The session that would expire first makes room for one more.
const MAX_SESSIONS: i64 = 500;
