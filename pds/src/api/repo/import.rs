//! `com.atproto.repo.importRepo`

use core::mem;

use http::header;
use nacre_xrpc::expect_type;

use crate::Pds;
use crate::api::{Call, Failure, Input, Nothing, invalid};
use crate::auth::access::Owner;
use crate::body::Body;

/// A CAR on its way, of which nothing has been read.
pub(crate) struct CarBody(Body);

/// `com.atproto.repo.importRepo`: an account that is not active may do so too, as it moves in.
pub(crate) async fn import_repo(
    pds: &Pds,
    _: Owner,
    CarBody(body): CarBody,
) -> Result<Nothing, Failure> {
    if !pds.config.accept_imports {
        return Err(invalid("Service is not accepting repo imports").into());
    }
    pds.import(body).await?;
    Ok(Nothing)
}

impl Input for CarBody {
    async fn read(call: &mut Call) -> Result<Self, Failure> {
        let given = call.header(&header::CONTENT_TYPE);
        expect_type(call.body_state()?, given, "application/vnd.ipld.car")?;
        Ok(Self(mem::take(&mut call.body)))
    }
}
