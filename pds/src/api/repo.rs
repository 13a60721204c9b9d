//! `com.atproto.repo.*`

pub(crate) mod batch;
pub(crate) mod blob;
pub(crate) mod import;
pub(crate) mod read;
pub(crate) mod write;
