//! Parsers of parameters that several methods share.

use cid::Cid;
use nacre_syntax::{Nsid, RecordKey, RepoPath};
use nacre_xrpc::{XrpcError, shown};

use super::failure::invalid;

/// Parses a CID.
pub(crate) fn cid(text: &str) -> Result<Cid, XrpcError> {
    Cid::try_from(text).map_err(|_| invalid(format!("Invalid CID: {}", shown(text))))
}

/// Parses a record key, and returns the path of the record.
pub(crate) fn record_path(collection: &Nsid, rkey: &str) -> Result<RepoPath, XrpcError> {
    let rkey = RecordKey::parse(rkey)
        .map_err(|_| invalid(format!("Invalid record key: {}", shown(rkey))))?;
    Ok(RepoPath::from_parts(collection, &rkey))
}
