#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

mod authorization;
mod body;
mod error;
mod method;
mod params;
mod proxy;

pub use authorization::Authorization;
pub use body::{Body, content_length, expect_json, expect_no_body, expect_type};
pub use error::{XrpcError, shown};
pub use method::{Kind, method};
pub use params::{FromParam, Params};
pub use proxy::ProxyTarget;

/// The longest `Authorization` header that is read, in bytes.
pub const MAX_AUTHORIZATION_BYTES: usize = 16 * 1024;

/// The most parameters that a query string may have.
pub const MAX_PARAMS: usize = 128;

/// The longest query string that is read, in bytes.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;
