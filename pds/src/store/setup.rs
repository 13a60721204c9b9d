//! The single row of table `setup`: the ID of this database, and the variables of the first start.
//! A reset, which empties the other tables, keeps the ID and the salt.

use super::sql::Store;
use super::values::{blob, integer, text};
use crate::host::SqlError;

/// The row of table `setup`.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// ID of this database in the owner marker.
    pub(crate) owner_id: String,
    /// Owner that the marker named when it was last read.
    pub(crate) marker: MarkerState,
    /// Key of the hash in [`SetupValues::key_fingerprint`].
    pub(crate) salt: Vec<u8>,
    /// Variables of the first start, or `None` before it.
    pub(crate) values: Option<SetupValues>,
}

/// The variables that the first start stores.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SetupValues {
    pub(crate) handle: String,
    pub(crate) hostname: String,
    /// Keyed hash of the signing key.
    pub(crate) key_fingerprint: Vec<u8>,
}

/// The database that the owner marker names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MarkerState {
    /// Not checked yet.
    Unknown,
    /// This database.
    Own,
    /// Another database.
    Other,
    /// This database, after it took over from another one.
    Taken,
}

/// Whether a reset keeps or removes the bytes of stored blobs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LeftoverBlobs {
    /// Keeps them all: the blob store may belong to another account from now on.
    Keep,
    /// Adds a pending removal of each stored blob.
    Remove,
}

impl Store {
    /// Returns the row, or `None` before it is created.
    pub(crate) fn setup(&self) -> Result<Option<Setup>, SqlError> {
        self.first(
            "select owner_id, marker, salt, handle, hostname, key_fingerprint from setup",
            &[],
            |row| {
                let values = match (row.optional_text(3)?, row.optional_text(4)?) {
                    (Some(handle), Some(hostname)) => {
                        Some(SetupValues { handle, hostname, key_fingerprint: row.blob(5)? })
                    }
                    _ => None,
                };
                Ok(Setup {
                    owner_id: row.text(0)?,
                    marker: MarkerState::from_number(row.integer(1)?),
                    salt: row.blob(2)?,
                    values,
                })
            },
        )
    }

    /// Creates the row.
    pub(crate) fn insert_setup(&self, owner_id: &str, salt: &[u8]) -> Result<(), SqlError> {
        self.run(
            "insert into setup (one, owner_id, marker, salt) values (1, ?, 0, ?)",
            &[text(owner_id), blob(salt)],
        )
    }

    /// Sets the variables of the first start.
    pub(crate) fn set_setup_values(&self, values: &SetupValues) -> Result<(), SqlError> {
        self.run(
            "update setup set handle = ?, hostname = ?, key_fingerprint = ?",
            &[text(&values.handle), text(&values.hostname), blob(&values.key_fingerprint)],
        )
    }

    /// Sets which database the marker names.
    pub(crate) fn set_marker(&self, marker: MarkerState) -> Result<(), SqlError> {
        self.run("update setup set marker = ?", &[integer(marker.to_number())])
    }

    /// Empties all tables, but keeps the ID and salt of the database and, with
    /// [`LeftoverBlobs::Remove`], the pending removals. Needs a transaction.
    pub(crate) fn empty(&self, marker: MarkerState, blobs: LeftoverBlobs) -> Result<(), SqlError> {
        self.drop_staging()?;
        self.drop_healing()?;
        self.run(
            match blobs {
                LeftoverBlobs::Keep => "delete from removal",
                LeftoverBlobs::Remove => "insert or ignore into removal (cid) select cid from blob",
            },
            &[],
        )?;
        for statement in EMPTY_TABLES {
            self.run(statement, &[])?;
        }
        self.run(
            "update setup set handle = null, hostname = null, key_fingerprint = null, marker = ?",
            &[integer(marker.to_number())],
        )?;
        self.end_snapshots();
        self.clear_page_cache();
        Ok(())
    }
}

impl MarkerState {
    fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Own,
            2 => Self::Other,
            3 => Self::Taken,
            _ => Self::Unknown,
        }
    }

    /// Returns the value of the column `marker`.
    fn to_number(self) -> i64 {
        match self {
            Self::Unknown => 0,
            Self::Own => 1,
            Self::Other => 2,
            Self::Taken => 3,
        }
    }
}

/// Statements that empty the tables. `removal` and `setup` are handled separately.
const EMPTY_TABLES: [&str; 12] = [
    "delete from account",
    "delete from record",
    "delete from subject",
    "delete from blob",
    "delete from blob_ref",
    "delete from page",
    "delete from event",
    "delete from session",
    "delete from refresh_token",
    "delete from attempt",
    "delete from relay",
    "delete from subscriber",
];
