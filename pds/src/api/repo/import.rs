//! `com.atproto.repo.importRepo`

use core::mem;

use http::header;
use nacre_xrpc::{XrpcError, expect_type, shown};
use serde::Serialize;

use crate::Pds;
use crate::api::access::Access;
use crate::api::{Call, Failure, Input, Json, invalid};
use crate::auth::Owner;
use crate::body::Body;
use crate::http::IMPORT_PART;
use crate::repo::{Import, Part};
use crate::store::{OddRecord, OddRecords};

/// A CAR that has not been read yet.
pub(crate) struct CarUpload {
    call: Call,
    part: Part,
}

/// The outcome of an import. The protocol defines no output, and clients that expect none ignore
/// it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    /// The number of blocks that are known to be missing. Absent after the last part.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_blocks: Option<u64>,
    /// The number of records that violate a current rule. They are imported unchanged.
    odd_records: u64,
    /// The first ten of these records.
    odd_examples: Vec<OddRecord>,
}

/// `com.atproto.repo.importRepo`: replaces the repository of an inactive account.
///
/// A repository that is too large for one request can be imported in parts: CARs with the same
/// root, each with some of the blocks. All parts but the last have the header `nacre-import: more`.
pub(crate) async fn import_repo(
    pds: &Pds,
    _: Owner,
    CarUpload { mut call, part }: CarUpload,
) -> Result<Json<Outcome>, Failure> {
    let mut body = mem::take(&mut call.body);
    let imported = import(pds, &call, &mut body, part).await;
    if imported.is_err() {
        body.drain(MAX_DRAINED_BYTES).await;
    }
    Ok(Json(imported?))
}

async fn import(pds: &Pds, call: &Call, body: &mut Body, part: Part) -> Result<Outcome, Failure> {
    if !pds.config.accept_imports {
        return Err(invalid("Service is not accepting repo imports").into());
    }
    let staged = pds.repo.import(body, part).await?;
    // The session may have ended while the body arrived.
    Owner::admit(pds, call)?;
    let (missing_blocks, odd) = match staged {
        Import::Part { missing, odd } => (Some(missing), odd),
        Import::Whole(import) => (None, import.finish()?),
    };
    let OddRecords { count: odd_records, examples: odd_examples } = odd;
    Ok(Outcome { missing_blocks, odd_records, odd_examples })
}

impl Input for CarUpload {
    async fn read(call: &mut Call) -> Result<Self, Failure> {
        let given = call.header(&header::CONTENT_TYPE);
        expect_type(call.body_state()?, given, "application/vnd.ipld.car")?;
        let part = part(call.header(&IMPORT_PART))?;
        let body = mem::take(&mut call.body);
        Ok(Self {
            call: Call { parts: call.parts.clone(), body, peer: call.peer, tag: call.tag },
            part,
        })
    }
}

fn part(header: Option<&str>) -> Result<Part, XrpcError> {
    match header {
        None => Ok(Part::Last),
        Some(text) if text.trim().eq_ignore_ascii_case("more") => Ok(Part::More),
        Some(text) => {
            let message = format!("nacre-import must be \"more\" or absent: {}", shown(text));
            Err(invalid(message))
        }
    }
}

/// The most bytes of a refused CAR that are read before the response.
const MAX_DRAINED_BYTES: usize = 512 * 1024 * 1024;
