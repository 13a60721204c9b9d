//! `com.atproto.sync.*`

mod account;
pub(crate) mod blob_reads;
pub(crate) mod blocks;
pub(crate) mod crawl;
pub(crate) mod export;
pub(crate) mod status;
pub(crate) mod subscribe;
