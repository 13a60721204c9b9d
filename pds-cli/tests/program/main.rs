//! Starts the real program and talks to it over loopback.

// Signals are how the program is stopped, and only Unix has them.
#![cfg(unix)]
#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;
mod commands;
mod repo;
mod server;
mod serving;
