//! `com.atproto.server.*`: activation and deactivation.

use nacre_syntax::Datetime;
use serde::Deserialize;

use crate::Pds;
use crate::api::{Failure, Json, JsonInput, Nothing};
use crate::auth::Owner;

/// The input of a deactivation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deactivation {
    /// When the account may be deleted. This server deletes nothing by itself.
    #[serde(default)]
    #[expect(dead_code, reason = "only its type is checked")]
    delete_after: Option<Datetime>,
}

impl JsonInput for Deactivation {}

/// `com.atproto.server.activateAccount`
pub(crate) async fn activate_account(pds: &Pds, _: Owner, _: Nothing) -> Result<Nothing, Failure> {
    pds.activation.activate()?;
    Ok(Nothing)
}

/// `com.atproto.server.deactivateAccount`
pub(crate) async fn deactivate_account(
    pds: &Pds,
    _: Owner,
    Json(_): Json<Deactivation>,
) -> Result<Nothing, Failure> {
    pds.activation.deactivate()?;
    Ok(Nothing)
}
