//! Password sessions. Each starts with an access token and a refresh token; the refresh token is
//! exchanged for the next pair.
//!
//! A session is a row, and so is each of its refresh tokens. An access token names its session, so
//! removing these rows invalidates all tokens of the session at once.

use alloc::rc::Rc;

use data_encoding::BASE32_NOPAD;

use super::jwt::{self, ACCESS_SCOPE, Claims, REFRESH_SCOPE, TokenType};
use crate::config::Config;
use crate::context::Context;
use crate::host::{Clock, Rng, SqlError};
use crate::store::Store;

/// Opens, refreshes and closes sessions.
pub(crate) struct Sessions {
    config: Rc<Config>,
    store: Store,
    clock: Rc<dyn Clock>,
    rng: Rc<dyn Rng>,
}

/// The tokens of a session.
#[derive(Debug)]
pub(crate) struct TokenPair {
    pub(crate) access_jwt: String,
    pub(crate) refresh_jwt: String,
}

/// Why a session cannot be refreshed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("the refresh token was revoked or has expired")]
    Revoked,
}

impl Sessions {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            config: Rc::clone(&context.config),
            store: context.store.clone(),
            clock: Rc::clone(&context.host.clock),
            rng: Rc::clone(&context.host.rng),
        }
    }

    /// Opens a session. If there are already 500, the one that expires first is closed.
    pub(crate) fn open(&self) -> Result<TokenPair, SqlError> {
        let now_s = self.clock.now_s();
        let (session, refresh_id) = (self.random_id(), self.random_id());
        let expires_s = now_s + REFRESH_LIFE_S;
        self.store.transaction(|| -> Result<(), SqlError> {
            while let Some(oldest) = self.store.surplus_session(MAX_SESSIONS)? {
                self.store.remove_session(&oldest)?;
            }
            self.store.insert_session(&session, expires_s, now_s)?;
            // This reads all attempts, so it only runs when the owner signs in.
            self.store.prune_attempts(now_s)?;
            self.store.insert_refresh_token(&refresh_id, &session, expires_s)
        })?;
        Ok(self.tokens(&session, &refresh_id, now_s))
    }

    /// Continues the session of a refresh token.
    ///
    /// The first use of a token creates its successor. A second use within two hours, and before
    /// the token expires, leads to the same successor, because clients race and lose responses.
    /// Later uses are refused. The session stays open in either case.
    pub(crate) fn refresh(&self, id: &str) -> Result<TokenPair, SessionError> {
        let now_s = self.clock.now_s();
        let fresh_id = self.random_id();
        let next = self.store.transaction(|| -> Result<_, SqlError> {
            let token = self.store.refresh_token(id)?;
            let Some(token) = token.filter(|token| token.expires_s > now_s) else {
                return Ok(None);
            };
            let grace_ends_s = token.expires_s.min(now_s + REFRESH_GRACE_S);
            let next_id = token.next_id.as_deref().unwrap_or(&fresh_id);
            if token.next_id.is_none() {
                let expires_s = now_s + REFRESH_LIFE_S;
                self.store.use_refresh_token(id, next_id, grace_ends_s)?;
                self.store.insert_refresh_token(next_id, &token.session, expires_s)?;
                self.store.extend_session(&token.session, expires_s)?;
                self.store.prune_refresh_tokens(now_s)?;
            }
            Ok(Some((token.session, next_id.to_owned())))
        });
        let (session, next_id) = next?.ok_or(SessionError::Revoked)?;
        Ok(self.tokens(&session, &next_id, now_s))
    }

    /// Closes the session of a refresh token, if it is still open.
    pub(crate) fn close(&self, id: &str) -> Result<(), SqlError> {
        self.store.transaction(|| match self.store.refresh_token(id)? {
            Some(token) => self.store.remove_session(&token.session),
            None => Ok(()),
        })
    }

    fn tokens(&self, session: &str, refresh_id: &str, now_s: i64) -> TokenPair {
        let identity = &self.config.identity;
        let claims = |scope: &str, life_s: i64| Claims {
            scope: scope.to_owned(),
            aud: identity.service_did(),
            sub: identity.did.as_str().to_owned(),
            sid: None,
            jti: None,
            iat: now_s,
            exp: now_s + life_s,
        };
        let access =
            Claims { sid: Some(session.to_owned()), ..claims(ACCESS_SCOPE, ACCESS_LIFE_S) };
        let refresh =
            Claims { jti: Some(refresh_id.to_owned()), ..claims(REFRESH_SCOPE, REFRESH_LIFE_S) };
        let secret = &self.config.jwt_secret;
        TokenPair {
            access_jwt: jwt::sign(TokenType::Access, &access, secret),
            refresh_jwt: jwt::sign(TokenType::Refresh, &refresh, secret),
        }
    }

    /// Returns an unguessable id: 160 random bits in base32.
    fn random_id(&self) -> String {
        let mut bytes = [0; 20];
        self.rng.fill(&mut bytes);
        BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
    }
}

const ACCESS_LIFE_S: i64 = 2 * 60 * 60;
const REFRESH_LIFE_S: i64 = 90 * 24 * 60 * 60;
/// The time for which a used refresh token still yields its successor.
const REFRESH_GRACE_S: i64 = 2 * 60 * 60;
const MAX_SESSIONS: i64 = 500;
