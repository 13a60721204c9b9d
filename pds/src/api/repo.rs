//! `com.atproto.repo.*`

pub(crate) mod read;
pub(crate) mod write;
