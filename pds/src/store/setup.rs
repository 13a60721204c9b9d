//! The `setup` row: the id of this database, and the variables of the first start.

use super::{Store, blob, integer, text};
use crate::host::SqlError;

/// The row.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The id of this database in the owner marker.
    pub(crate) owner_id: String,
    /// What the owner marker last said.
    pub(crate) marker: MarkerState,
    /// The key of the fingerprint.
    pub(crate) salt: Vec<u8>,
    /// The variables of the first start, once there was one.
    pub(crate) values: Option<SetupValues>,
}

/// The variables that the first start records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SetupValues {
    pub(crate) handle: String,
    pub(crate) hostname: String,
    /// A keyed hash of the signing key.
    pub(crate) key_fingerprint: Vec<u8>,
}

/// The owner that the marker names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MarkerState {
    /// Not checked yet.
    Unknown,
    /// This database.
    Own,
    /// Another database.
    Other,
    /// This database, which has taken over from another one.
    Taken,
}

/// What becomes of the bytes of blobs when the database is emptied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Left {
    /// All stay: the store may be that of another account from now on.
    Blobs,
    /// The known ones are to be removed.
    Removals,
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
                    marker: MarkerState::of(row.integer(1)?),
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

    /// Records the variables of the first start.
    pub(crate) fn set_setup_values(&self, values: &SetupValues) -> Result<(), SqlError> {
        self.run(
            "update setup set handle = ?, hostname = ?, key_fingerprint = ?",
            &[text(&values.handle), text(&values.hostname), blob(&values.key_fingerprint)],
        )
    }

    /// Records what the marker says.
    pub(crate) fn set_marker(&self, marker: MarkerState) -> Result<(), SqlError> {
        self.run("update setup set marker = ?", &[integer(marker.number())])
    }

    /// Empties every table in the caller's transaction, but keeps the id and the salt.
    pub(crate) fn empty(&self, marker: MarkerState, left: Left) -> Result<(), SqlError> {
        self.drop_staging()?;
        self.drop_healing()?;
        self.run(
            match left {
                Left::Blobs => "delete from removal",
                Left::Removals => "insert or ignore into removal (cid) select cid from blob",
            },
            &[],
        )?;
        for statement in EMPTYING {
            self.run(statement, &[])?;
        }
        self.run(
            "update setup set handle = null, hostname = null, key_fingerprint = null, marker = ?",
            &[integer(marker.number())],
        )?;
        self.lose_snapshots();
        self.forget_pages();
        Ok(())
    }
}

impl MarkerState {
    fn of(number: i64) -> Self {
        match number {
            1 => Self::Own,
            2 => Self::Other,
            3 => Self::Taken,
            _ => Self::Unknown,
        }
    }

    fn number(self) -> i64 {
        match self {
            Self::Unknown => 0,
            Self::Own => 1,
            Self::Other => 2,
            Self::Taken => 3,
        }
    }
}

const EMPTYING: [&str; 12] = [
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
