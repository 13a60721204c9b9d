#![doc = include_str!("../README.md")]

extern crate alloc;

mod blobs;
mod fetch;
mod front;
mod http;
mod marker;
#[allow(missing_docs, reason = "the macro of Durable Objects writes methods without any")]
mod object;
mod sockets;
mod sql;
mod system;
#[cfg(feature = "test-routes")]
mod test_routes;
mod trouble;
mod vars;

pub use self::front::{BodyDecoder, account_stub, front, raw_cid, sniff};
pub use self::object::{AccountDurableObject, set_alarm_retries};
