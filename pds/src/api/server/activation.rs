//! `com.atproto.server.*`: taking part in the network, and leaving it.

use nacre_syntax::Datetime;
use serde::Deserialize;

use crate::Pds;
use crate::api::{Failure, Json, JsonInput, Nothing, invalid};
use crate::auth::access::Owner;
use crate::repo::ActivationError;

/// How the account is to leave.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deactivation {
    /// When the account may be deleted. An account that is alone on its server stays until its
    /// owner deletes it.
    #[serde(default)]
    #[expect(dead_code, reason = "it is read to be checked")]
    delete_after: Option<Datetime>,
}

impl JsonInput for Deactivation {}

/// `com.atproto.server.activateAccount`
pub(crate) async fn activate_account(pds: &Pds, _: Owner, _: Nothing) -> Result<Nothing, Failure> {
    pds.activate()?;
    Ok(Nothing)
}

/// `com.atproto.server.deactivateAccount`
pub(crate) async fn deactivate_account(
    pds: &Pds,
    _: Owner,
    Json(_): Json<Deactivation>,
) -> Result<Nothing, Failure> {
    pds.deactivate()?;
    Ok(Nothing)
}

impl From<ActivationError> for Failure {
    fn from(error: ActivationError) -> Self {
        match error {
            ActivationError::Database(error) => error.into(),
            ActivationError::Importing => invalid("An import is under way").into(),
        }
    }
}
