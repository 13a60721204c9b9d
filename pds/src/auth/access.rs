//! Access rules. Each rule is a type whose value proves that the caller passed the rule. Only
//! [`AccessRules`] creates these values.

use alloc::rc::Rc;

use nacre_syntax::AtIdentifier;
use subtle::ConstantTimeEq;

use super::jwt::{self, ACCESS_SCOPE, Claims, JwtError, REFRESH_SCOPE, TokenType};
use crate::account::Account;
use crate::config::Config;
use crate::context::Context;
use crate::host::{Clock, SqlError};
use crate::store::Store;

/// The account's owner, with an access token or the operator's token.
#[derive(Debug)]
pub(crate) struct Owner(());

/// The operator of the server, with the operator's token.
#[derive(Debug)]
pub(crate) struct Operator(());

/// The owner of an active account.
#[derive(Debug)]
pub(crate) struct ActiveOwner(());

/// The holder of a refresh token that has not expired.
#[derive(Debug)]
pub(crate) struct Refresh {
    /// The id of the token.
    pub(crate) id: String,
}

/// The holder of a refresh token, expired or not.
#[derive(Debug)]
pub(crate) struct AnyRefresh {
    /// The id of the token.
    pub(crate) id: String,
}

/// Why a caller was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AccessError {
    #[error(transparent)]
    Database(#[from] SqlError),
    #[error("the account is deactivated")]
    Deactivated,
    #[error("the token has expired")]
    Expired,
    #[error("the token is signed, but has the wrong claims")]
    Malformed,
    #[error("the refresh token has no id")]
    MissingTokenId,
    #[error("the token is not the operator's")]
    NotOperator,
    #[error("the token belongs to another account")]
    OtherAccount,
    #[error("the repository belongs to another account")]
    OtherRepo,
    #[error("the token's session has ended")]
    Revoked,
    #[error("the token has the wrong scope")]
    Scope,
    #[error("the token is not signed by this server, or is of another type")]
    Unverified,
}

/// Checks tokens against the rules.
pub(crate) struct AccessRules {
    config: Rc<Config>,
    account: Rc<Account>,
    store: Store,
    clock: Rc<dyn Clock>,
}

impl AccessRules {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            config: Rc::clone(&context.config),
            account: Rc::clone(&context.account),
            store: context.store.clone(),
            clock: Rc::clone(&context.host.clock),
        }
    }

    /// Admits the owner. Reads one row, so that a revoked session ends at once.
    pub(crate) fn owner(&self, token: &str) -> Result<Owner, AccessError> {
        if self.is_operator_token(token) {
            return Ok(Owner(()));
        }
        let claims = self.claims(TokenType::Access, token)?;
        let (Some(session), None) = (&claims.sid, &claims.jti) else {
            return Err(AccessError::Malformed);
        };
        self.check_expiry(&claims)?;
        check_scope(&claims, ACCESS_SCOPE)?;
        if !self.store.has_session(session, self.clock.now_s())? {
            return Err(AccessError::Revoked);
        }
        Ok(Owner(()))
    }

    /// Admits the owner of an active account.
    pub(crate) fn active_owner(&self, token: &str) -> Result<ActiveOwner, AccessError> {
        let Owner(()) = self.owner(token)?;
        if self.account.state()?.active {
            Ok(ActiveOwner(()))
        } else {
            Err(AccessError::Deactivated)
        }
    }

    /// Admits the operator.
    pub(crate) fn operator(&self, token: &str) -> Result<Operator, AccessError> {
        if self.is_operator_token(token) { Ok(Operator(())) } else { Err(AccessError::NotOperator) }
    }

    /// Admits the holder of a refresh token that has not expired.
    pub(crate) fn refresh(&self, token: &str) -> Result<Refresh, AccessError> {
        let (claims, id) = self.refresh_claims(token)?;
        self.check_expiry(&claims)?;
        Ok(Refresh { id })
    }

    /// Admits the holder of a refresh token, expired or not.
    pub(crate) fn any_refresh(&self, token: &str) -> Result<AnyRefresh, AccessError> {
        let (_, id) = self.refresh_claims(token)?;
        Ok(AnyRefresh { id })
    }

    /// Refuses access to a repository that is not the owner's. `repo` is a handle or a DID.
    pub(crate) fn check_repo(
        &self,
        ActiveOwner(()): &ActiveOwner,
        repo: &AtIdentifier,
    ) -> Result<(), AccessError> {
        if self.config.identity.is_named(repo) { Ok(()) } else { Err(AccessError::OtherRepo) }
    }

    fn is_operator_token(&self, token: &str) -> bool {
        token.as_bytes().ct_eq(self.config.auth_token.as_bytes()).into()
    }

    fn refresh_claims(&self, token: &str) -> Result<(Claims, String), AccessError> {
        let claims = self.claims(TokenType::Refresh, token)?;
        check_scope(&claims, REFRESH_SCOPE)?;
        let id = claims.jti.clone().ok_or(AccessError::MissingTokenId)?;
        Ok((claims, id))
    }

    /// Returns the claims of a token of this type that this server issued for this account.
    fn claims(&self, token_type: TokenType, token: &str) -> Result<Claims, AccessError> {
        let claims = match jwt::verify(token_type, token, &self.config.jwt_secret) {
            Ok(claims) => claims,
            Err(JwtError::Malformed) => return Err(AccessError::Malformed),
            Err(JwtError::Unverified) => return Err(AccessError::Unverified),
        };
        let identity = &self.config.identity;
        if claims.aud != identity.service_did() {
            return Err(AccessError::Malformed);
        }
        if claims.sub != identity.did.as_str() {
            return Err(AccessError::OtherAccount);
        }
        Ok(claims)
    }

    fn check_expiry(&self, claims: &Claims) -> Result<(), AccessError> {
        if claims.exp > self.clock.now_s() { Ok(()) } else { Err(AccessError::Expired) }
    }
}

fn check_scope(claims: &Claims, scope: &str) -> Result<(), AccessError> {
    if claims.scope == scope { Ok(()) } else { Err(AccessError::Scope) }
}
