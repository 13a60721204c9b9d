#![doc = include_str!("../README.md")]

extern crate alloc;

mod api;
mod auth;
pub mod blobs;
pub mod body;
pub mod coding;
pub mod config;
#[cfg(feature = "dev")]
pub mod dev;
pub mod front;
pub mod host;
mod identity;
mod ownership;
mod pds;
mod relays;
mod repo;
mod reset;
mod routes;
mod sequencer;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod store;
mod tend;
mod turn;
mod visible;

pub use self::pds::{OpenError, Pds, Reply, Subscription};
pub use self::repo::{Audit, AuditError, HealError, Healed};
pub use self::reset::ResetError;
