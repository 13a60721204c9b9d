//! `com.atproto.server.*Session`

use nacre_syntax::AtIdentifier;
use nacre_xrpc::XrpcError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Pds;
use crate::api::{Failure, Json, JsonInput, Nothing, Secret};
use crate::auth::access::{AnyRefresh, Owner, Public, Refresh};
use crate::auth::session::{self, Tokens};
use crate::auth::{limits, password};
use crate::identity::document;
use crate::store::Account;
use crate::visible::visible;

#[derive(Deserialize)]
pub(crate) struct CreateSession {
    identifier: String,
    password: String,
}

impl JsonInput for CreateSession {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    #[serde(skip_serializing_if = "Option::is_none")]
    access_jwt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_jwt: Option<String>,
    handle: String,
    did: String,
    did_doc: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_confirmed: Option<bool>,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

/// `com.atproto.server.createSession`: signs in with the account's password.
pub(crate) async fn create_session(
    pds: &Pds,
    caller: Public,
    Json(input): Json<CreateSession>,
) -> Result<Secret<Json<Session>>, Failure> {
    let known = is_owner(pds, &input.identifier);
    limits::sign_in(pds, if known { "owner" } else { "unknown" }, caller.peer)?;
    if input.password.len() > MAX_PASSWORD_BYTES {
        return Err(refused("Password too long. Consider resetting your password.").into());
    }
    // The hash is checked for a stranger's name too, so that both refusals take the same time.
    let matches = password::matches(&input.password, &pds.config.password_hash);
    if !(known && matches) {
        return Err(refused("Invalid identifier or password").into());
    }
    let account = pds.account()?;
    Ok(Secret(Json(describe(pds, &account, Some(session::open(pds)?)))))
}

/// `com.atproto.server.getSession`: who the caller is.
pub(crate) async fn get_session(pds: &Pds, _: Owner, _: Nothing) -> Result<Json<Session>, Failure> {
    Ok(Json(describe(pds, &pds.account()?, None)))
}

/// `com.atproto.server.refreshSession`: the next pair of tokens.
pub(crate) async fn refresh_session(
    pds: &Pds,
    caller: Refresh,
    _: Nothing,
) -> Result<Secret<Json<Session>>, Failure> {
    let tokens = session::refresh(pds, &caller.id)?;
    Ok(Secret(Json(describe(pds, &pds.account()?, Some(tokens)))))
}

/// `com.atproto.server.deleteSession`: signs out.
pub(crate) async fn delete_session(
    pds: &Pds,
    caller: AnyRefresh,
    _: Nothing,
) -> Result<Nothing, Failure> {
    session::close(pds, &caller.id)?;
    Ok(Nothing)
}

/// Tells whether the owner signs in under this name: the handle, the DID or the e-mail address, as
/// people paste it.
fn is_owner(pds: &Pds, identifier: &str) -> bool {
    let identifier = visible(identifier);
    let email = pds.config.email.as_deref();
    if email.is_some_and(|email| email.to_lowercase() == identifier.to_lowercase()) {
        return true;
    }
    let name = identifier.trim_start_matches('@').trim_start();
    AtIdentifier::parse(name).is_ok_and(|name| pds.is_ours(&name))
}

fn describe(pds: &Pds, account: &Account, tokens: Option<Tokens>) -> Session {
    let identity = &pds.config.identity;
    let (access_jwt, refresh_jwt) =
        tokens.map(|tokens| (tokens.access_jwt, tokens.refresh_jwt)).unzip();
    Session {
        access_jwt,
        refresh_jwt,
        handle: identity.handle.as_str().to_owned(),
        did: identity.did.as_str().to_owned(),
        did_doc: document::of(identity, &identity.handle),
        email: pds.config.email.clone(),
        // The operator wrote it down, and no mail is sent that could prove more.
        email_confirmed: pds.config.email.as_ref().map(|_| true),
        active: account.active,
        status: account.status(),
    }
}

fn refused(message: &'static str) -> XrpcError {
    XrpcError::new(401, "AuthenticationRequired", message)
}

/// No password is longer; the limit keeps a stranger from making us hash a book.
const MAX_PASSWORD_BYTES: usize = 512;
