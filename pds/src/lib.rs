#![doc = include_str!("../README.md")]

pub mod body;
pub mod config;
pub mod front;
pub mod host;
mod pds;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use self::pds::{OpenError, Pds, Reply, Subscription};
