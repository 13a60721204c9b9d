#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

#[macro_use]
mod text;

mod at_identifier;
mod at_uri;
mod cid_string;
mod datetime;
mod did;
mod handle;
mod label;
mod language;
mod nsid;
mod record_key;
mod repo_path;
mod tid;
mod tid_clock;
mod uri;

pub use at_identifier::{AtIdentifier, AtIdentifierError};
pub use at_uri::{AtUri, AtUriError};
pub use cid_string::{CidString, CidStringError};
pub use datetime::{Datetime, DatetimeError};
pub use did::{Did, DidError};
pub use handle::{Handle, HandleError};
pub use language::{Language, LanguageError};
pub use nsid::{Nsid, NsidError};
pub use record_key::{RecordKey, RecordKeyError};
pub use repo_path::{RepoPath, RepoPathError};
pub use tid::{Tid, TidError};
pub use tid_clock::TidClock;
pub use uri::{Uri, UriError};
