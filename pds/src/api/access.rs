//! Access rules, applied to calls. A route names one of these types, and its handler takes a
//! value of that type, so a handler cannot run without the check.

use core::net::IpAddr;

use http::header;
use nacre_xrpc::{Authorization, XrpcError};

use super::call::Call;
use super::failure::Failure;
use crate::Pds;
use crate::auth::{ActiveOwner, AnyRefresh, Operator, Owner, Refresh};

/// A access rule.
pub(crate) trait Access: Sized {
    /// Returns the proof that the caller passes the rule, or refuses the call.
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure>;
}

/// Anyone. Credentials are ignored.
#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) peer: Option<IpAddr>,
}

/// Anyone. The owner may see more. Invalid credentials are refused.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) is_owner: bool,
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
        Ok(pds.access.owner(bearer(call)?)?)
    }
}

impl Access for Operator {
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure> {
        Ok(pds.access.operator(bearer(call)?)?)
    }
}

impl Access for ActiveOwner {
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure> {
        Ok(pds.access.active_owner(bearer(call)?)?)
    }
}

impl Access for Refresh {
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure> {
        Ok(pds.access.refresh(bearer(call)?)?)
    }
}

impl Access for AnyRefresh {
    fn admit(pds: &Pds, call: &Call) -> Result<Self, Failure> {
        Ok(pds.access.any_refresh(bearer(call)?)?)
    }
}

/// Returns the bearer token of a call.
fn bearer(call: &Call) -> Result<&str, XrpcError> {
    let malformed = || XrpcError::invalid_token("Malformed authorization header");
    let mut headers = call.parts.headers.get_all(header::AUTHORIZATION).iter();
    let header = match (headers.next(), headers.next()) {
        (None, _) => None,
        (Some(value), None) => Some(value.to_str().map_err(|_| malformed())?),
        (Some(_), Some(_)) => return Err(malformed()),
    };
    Authorization::parse(header)?.bearer()
}
