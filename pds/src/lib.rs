#![doc = include_str!("../README.md")]

extern crate alloc;

mod account;
mod api;
mod auth;
pub mod blobs;
pub mod body;
pub mod config;
mod context;
#[cfg(feature = "dev")]
pub mod dev;
mod events;
pub mod host;
pub mod http;
mod identity;
mod integrity;
mod lifecycle;
mod maintenance;
mod metrics;
mod network;
mod open;
pub mod outbound;
mod pds;
mod relays;
mod repo;
mod request_log;
mod routes;
mod scheduler;
mod service;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod store;
mod text;
mod turn;

pub use self::api::{Reply, Upload};
pub use self::events::Subscription;
pub use self::http::Download;
pub use self::integrity::{Audit, AuditError, HealError, Healed};
pub use self::lifecycle::ResetError;
pub use self::open::OpenError;
pub use self::pds::Pds;
