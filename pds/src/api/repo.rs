//! `com.atproto.repo.*`

pub(crate) mod apply_writes;
pub(crate) mod import;
pub(crate) mod read;
pub(crate) mod uploads;
pub(crate) mod write;
