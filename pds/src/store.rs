//! The account's database. All SQL statements are in this folder.
//!
//! One write request of a client is one transaction, and no transaction spans an await. A commit
//! writes few rows:
//!
//! - a record is one row, which is both its index entry and its block;
//! - the nodes of the tree share pages, a few dozen nodes on each;
//! - an event is one row, which holds the finished frame;
//! - everything that changes with every commit is in the single `account` row.

mod account_row;
mod account_state;
mod attempts;
mod blob_refs;
mod blob_removals;
mod day_totals;
mod digest_map;
mod events;
mod healing;
mod page_audit;
mod page_builder;
mod page_cache;
mod page_changes;
mod page_plan;
mod records;
mod relays;
mod row_cache;
mod schema;
mod sessions;
mod setup;
mod snapshot;
mod snapshot_state;
mod sql;
mod staging;
mod stored_blobs;
mod subjects;
mod subscribers;
mod tree;
mod tree_page;
mod values;

pub(crate) use self::account_state::{AccountState, Announced, BlobCounts, DEACTIVATED};
pub(crate) use self::attempts::Attempts;
pub(crate) use self::blob_refs::BlobQuery;
pub(crate) use self::day_totals::DayTotals;
pub(crate) use self::page_builder::PageBuilder;
pub(crate) use self::page_changes::PageChanges;
pub(crate) use self::records::{RecordBlock, RecordQuery, StoredRecord};
pub(crate) use self::relays::RelayState;
pub(crate) use self::schema::{ANNOUNCED_HEADS, SchemaError};
pub(crate) use self::setup::{LeftoverBlobs, MarkerState, Setup, SetupValues};
pub(crate) use self::snapshot::{Entered, Snapshot, SnapshotError};
pub(crate) use self::snapshot_state::Purpose;
pub(crate) use self::sql::Store;
pub(crate) use self::staging::{OddRecord, OddRecords, Staged};
pub(crate) use self::stored_blobs::StoredBlob;
pub(crate) use self::subscribers::Subscriber;
pub(crate) use self::tree_page::Found;
