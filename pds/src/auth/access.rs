//! What a caller must show. A route names one of these types; its handler is given what the type
//! makes of the request's credentials, so that a handler cannot run without them.

use core::net::IpAddr;

use http::header;
use nacre_syntax::AtIdentifier;
use nacre_xrpc::{Authorization, XrpcError};
use subtle::ConstantTimeEq;

use super::jwt::{self, Claims, JwtError, TokenType};
use super::session::{ACCESS_SCOPE, REFRESH_SCOPE, revoked};
use crate::Pds;
use crate::api::{Call, Failure};

/// A rule of access.
pub(crate) trait Access: Sized {
    /// Returns the caller's proof, or why there is none.
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure>;
}

/// Anybody. Credentials are not looked at.
#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) peer: Option<IpAddr>,
}

/// Anybody, and the owner may see more. Credentials that are not good are refused all the same.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) is_owner: bool,
}

/// The account's owner, by an access token or the operator's token.
#[derive(Debug)]
pub(crate) struct Owner(());

/// Who runs the server, by the operator's token alone.
#[derive(Debug)]
pub(crate) struct Operator(());

/// The owner of an account that is active.
#[derive(Debug)]
pub(crate) struct ActiveOwner(Owner);

/// The holder of a refresh token that has not expired.
#[derive(Debug)]
pub(crate) struct Refresh {
    pub(crate) id: String,
}

/// The holder of a refresh token, expired or not.
#[derive(Debug)]
pub(crate) struct AnyRefresh {
    pub(crate) id: String,
}

impl Access for Public {
    fn admit(_: &Pds, call: &Call) -> Result<Self, Failure> {
        Ok(Self { peer: call.peer })
    }
}

impl Access for Visitor {
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure> {
        let is_owner = call.parts.headers.contains_key(header::AUTHORIZATION);
        if is_owner {
            Owner::admit(pds, call)?;
        }
        Ok(Self { is_owner })
    }
}

impl Access for Owner {
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure> {
        let token = bearer(call)?;
        if is_operators(pds, token) {
            return Ok(Self(()));
        }
        let claims = verified(pds, TokenType::Access, token)?;
        let (Some(session), None) = (&claims.sid, &claims.jti) else {
            return Err(malformed().into());
        };
        in_time(pds, &claims)?;
        scoped(&claims, ACCESS_SCOPE)?;
        if !pds.store.has_session(session, pds.now_s())? {
            return Err(revoked().into());
        }
        Ok(Self(()))
    }
}

impl Access for Operator {
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure> {
        if is_operators(pds, bearer(call)?) {
            Ok(Self(()))
        } else {
            Err(XrpcError::auth_required("This takes the AUTH_TOKEN of the server").into())
        }
    }
}

impl Access for ActiveOwner {
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure> {
        let owner = Owner::admit(pds, call)?;
        if pds.account()?.active {
            Ok(Self(owner))
        } else {
            Err(XrpcError::new(401, "AccountDeactivated", "Account is deactivated").into())
        }
    }
}

impl ActiveOwner {
    /// Makes sure that `repo`, a handle or a DID, is the owner's own.
    pub(crate) fn owns(&self, pds: &Pds, repo: &AtIdentifier) -> Result<(), XrpcError> {
        if pds.is_ours(repo) {
            Ok(())
        } else {
            Err(XrpcError::auth_required("Not the owner of this repository"))
        }
    }
}

impl Access for Refresh {
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure> {
        let (claims, id) = refresh_token(pds, call)?;
        in_time(pds, &claims)?;
        Ok(Self { id })
    }
}

impl Access for AnyRefresh {
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure> {
        let (_, id) = refresh_token(pds, call)?;
        Ok(Self { id })
    }
}

fn is_operators(pds: &Pds, token: &str) -> bool {
    token.as_bytes().ct_eq(pds.config.auth_token.as_bytes()).into()
}

/// Returns the bearer token of a request.
fn bearer(call: &Call) -> Result<&str, XrpcError> {
    let mut headers = call.parts.headers.get_all(header::AUTHORIZATION).iter();
    let header = match (headers.next(), headers.next()) {
        (None, _) => None,
        (Some(value), None) => Some(value.to_str().map_err(|_| malformed_header())?),
        (Some(_), Some(_)) => return Err(malformed_header()),
    };
    Authorization::parse(header)?.bearer()
}

fn refresh_token(pds: &Pds, call: &Call) -> Result<(Claims, String), XrpcError> {
    let claims = verified(pds, TokenType::Refresh, bearer(call)?)?;
    scoped(&claims, REFRESH_SCOPE)?;
    let id = claims.jti.clone();
    let id = id.ok_or_else(|| {
        XrpcError::new(401, "MissingTokenId", "Unexpected missing refresh token id")
    })?;
    Ok((claims, id))
}

/// Returns what a token says, if it is ours, of its type, and about this account.
fn verified(pds: &Pds, token_type: TokenType, token: &str) -> Result<Claims, XrpcError> {
    let claims = match jwt::verify(token_type, token, &pds.config.jwt_secret) {
        Ok(claims) => claims,
        Err(JwtError::Malformed) => return Err(malformed()),
        Err(JwtError::Unverified) => {
            return Err(XrpcError::invalid_token("Token could not be verified"));
        }
    };
    let identity = &pds.config.identity;
    if claims.aud != identity.service_did() {
        return Err(malformed());
    }
    if claims.sub != identity.did.as_str() {
        return Err(XrpcError::new(403, "AccountNotFound", "Account not found"));
    }
    Ok(claims)
}

fn in_time(pds: &Pds, claims: &Claims) -> Result<(), XrpcError> {
    if claims.exp > pds.now_s() { Ok(()) } else { Err(XrpcError::expired_token()) }
}

fn scoped(claims: &Claims, scope: &str) -> Result<(), XrpcError> {
    if claims.scope == scope { Ok(()) } else { Err(XrpcError::invalid_token("Bad token scope")) }
}

fn malformed() -> XrpcError {
    XrpcError::invalid_token("Malformed token")
}

fn malformed_header() -> XrpcError {
    XrpcError::invalid_token("Malformed authorization header")
}
