//! `com.atproto.repo.importRepo`

use core::mem;

use http::HeaderName;
use http::header;
use nacre_xrpc::{XrpcError, expect_type, shown};
use serde::Serialize;

use crate::Pds;
use crate::api::{Call, Failure, Input, Json, invalid};
use crate::auth::access::{Access, Owner};
use crate::repo::{Imported, Part};
use crate::store::{OddRecord, OddRecords};

/// A CAR on its way, of which nothing has been read.
pub(crate) struct CarUpload {
    call: Call,
    part: Part,
}

/// The outcome of an import. The protocol knows no output; clients that expect none ignore it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    /// How many blocks are known to be missing; absent once the repository was replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_blocks: Option<u64>,
    /// How many records break today's rules. They are kept as they are.
    odd_records: u64,
    /// The first ten of them.
    odd_examples: Vec<OddRecord>,
}

/// `com.atproto.repo.importRepo`: replaces the repository of an inactive account.
///
/// A request with the header `nacre-import: more` brings one part of a repository that is too large
/// for one request: a CAR with the same root and some of the blocks. The request without the header
/// brings the last part.
pub(crate) async fn import_repo(
    pds: &Pds,
    _: Owner,
    CarUpload { mut call, part }: CarUpload,
) -> Result<Json<Outcome>, Failure> {
    let mut body = mem::take(&mut call.body);
    let imported = if pds.config.accept_imports {
        let readmit = || Owner::admit(pds, &call).map(drop);
        pds.import(&mut body, part, readmit).await
    } else {
        Err(invalid("Service is not accepting repo imports").into())
    };
    if imported.is_err() {
        body.drain(MAX_UNHEARD_BYTES).await;
    }
    let (missing_blocks, odd) = match imported? {
        Imported::Whole(odd) => (None, odd),
        Imported::Staged { missing, odd } => (Some(missing), odd),
    };
    let OddRecords { count: odd_records, examples: odd_examples } = odd;
    Ok(Json(Outcome { missing_blocks, odd_records, odd_examples }))
}

impl Input for CarUpload {
    async fn read(call: &mut Call) -> Result<Self, Failure> {
        let given = call.header(&header::CONTENT_TYPE);
        expect_type(call.body_state()?, given, "application/vnd.ipld.car")?;
        let part = part(call.header(&PART))?;
        let body = mem::take(&mut call.body);
        Ok(Self { call: Call { parts: call.parts.clone(), body, peer: call.peer }, part })
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

/// Says that more parts of the repository follow.
const PART: HeaderName = HeaderName::from_static("nacre-import");
/// How much is read of a CAR that is refused.
const MAX_UNHEARD_BYTES: usize = 512 * 1024 * 1024;
