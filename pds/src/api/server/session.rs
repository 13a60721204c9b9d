//! `com.atproto.server.*Session`: signing in, refreshing, signing out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Pds;
use crate::api::access::Public;
use crate::api::{Failure, Json, JsonInput, Nothing, Secret};
use crate::auth::{AnyRefresh, Owner, Refresh, TokenPair};
use crate::identity::document;

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
    pds.sign_in.check_password(&input.identifier, &input.password, caller.peer).await?;
    // Fails if a reset has emptied the database in the meantime.
    pds.account.state()?;
    let tokens = pds.sessions.open()?;
    Ok(Secret(Json(describe(pds, Some(tokens))?)))
}

/// `com.atproto.server.getSession`: the identity and status of the account.
pub(crate) async fn get_session(pds: &Pds, _: Owner, _: Nothing) -> Result<Json<Session>, Failure> {
    Ok(Json(describe(pds, None)?))
}

/// `com.atproto.server.refreshSession`: the next pair of tokens.
pub(crate) async fn refresh_session(
    pds: &Pds,
    caller: Refresh,
    _: Nothing,
) -> Result<Secret<Json<Session>>, Failure> {
    let tokens = pds.sessions.refresh(&caller.id)?;
    Ok(Secret(Json(describe(pds, Some(tokens))?)))
}

/// `com.atproto.server.deleteSession`: signs out.
pub(crate) async fn delete_session(
    pds: &Pds,
    caller: AnyRefresh,
    _: Nothing,
) -> Result<Nothing, Failure> {
    pds.sessions.close(&caller.id)?;
    Ok(Nothing)
}

fn describe(pds: &Pds, tokens: Option<TokenPair>) -> Result<Session, Failure> {
    let account = pds.account.state()?;
    let identity = pds.account.identity();
    let (access_jwt, refresh_jwt) =
        tokens.map(|tokens| (tokens.access_jwt, tokens.refresh_jwt)).unzip();
    Ok(Session {
        access_jwt,
        refresh_jwt,
        handle: identity.handle.as_str().to_owned(),
        did: identity.did.as_str().to_owned(),
        did_doc: document::of(identity, &identity.handle),
        email: pds.config.email.clone(),
        // The operator configured the address, and the server sends no mail to confirm it.
        email_confirmed: pds.config.email.as_ref().map(|_| true),
        active: account.active,
        status: account.status(),
    })
}
