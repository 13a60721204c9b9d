//! The methods that clients call: one handler each, in files by namespace and topic.
//!
//! A handler takes parsed input and a caller that its route's access rule has admitted. It
//! authorises, acts and answers. It contains no SQL and no CBOR.

pub(crate) mod access;
mod call;
mod domain_errors;
mod failure;
pub(crate) mod identity;
pub(crate) mod operator;
mod params;
mod reply;
pub(crate) mod repo;
pub(crate) mod server;
pub(crate) mod sync;
mod upload;

pub(crate) use self::call::{Call, FromParams, Input, Json, JsonInput, Nothing, Query};
pub(crate) use self::failure::{Failure, invalid};
pub use self::reply::Reply;
pub(crate) use self::reply::{Car, Output, Secret};
pub use self::upload::Upload;
