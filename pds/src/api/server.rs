//! `com.atproto.server.*`

pub(crate) mod activation;
pub(crate) mod describe;
pub(crate) mod session;
pub(crate) mod status;
