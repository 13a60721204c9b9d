#![doc = include_str!("../README.md")]

extern crate alloc;

mod blob_protocol;
mod bucket;
mod compute;
mod es256;
mod fetch;
mod front;
mod host_error;
mod http;
mod object;
mod owner_marker;
mod sockets;
mod sql;
mod system;
#[cfg(feature = "test-routes")]
mod test_routes;
mod vars;

pub use self::front::{BodyDecoder, account_stub, front, raw_cid, sniff};
pub use self::object::AccountDurableObject;
