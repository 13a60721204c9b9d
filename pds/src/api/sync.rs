//! `com.atproto.sync.*`

pub(crate) mod blob_reads;
pub(crate) mod blocks;
mod common;
pub(crate) mod crawl;
pub(crate) mod export;
pub(crate) mod status;
pub(crate) mod subscribe;
