//! The `setup` row: what names this database to others, and what the account was set up with.

use super::{Store, blob, integer, text};
use crate::host::SqlError;

/// The row.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Names this database, in the bucket that it shares with others.
    pub(crate) owner_id: String,
    /// What the bucket was last found to say.
    pub(crate) marker: MarkerState,
    /// Keys the fingerprint.
    pub(crate) salt: Vec<u8>,
    /// What the account was set up with, after its first start.
    pub(crate) values: Option<SetupValues>,
}

/// Values that are variables, and that nothing else of the account follows from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SetupValues {
    pub(crate) handle: String,
    pub(crate) hostname: String,
    /// A keyed hash of the signing key.
    pub(crate) key_fingerprint: Vec<u8>,
}

/// Whom the bucket names as the account's owner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MarkerState {
    /// It has not been asked.
    Unknown,
    /// This database.
    Own,
    /// Another database.
    Other,
    /// This database, which has taken over from another one.
    Taken,
}

impl Store {
    /// Returns the row, if it has been made.
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

    /// Makes the row.
    pub(crate) fn insert_setup(&self, owner_id: &str, salt: &[u8]) -> Result<(), SqlError> {
        self.run(
            "insert into setup (one, owner_id, marker, salt) values (1, ?, 0, ?)",
            &[text(owner_id), blob(salt)],
        )
    }

    /// Remembers what the account is set up with.
    pub(crate) fn set_setup_values(&self, values: &SetupValues) -> Result<(), SqlError> {
        self.run(
            "update setup set handle = ?, hostname = ?, key_fingerprint = ?",
            &[text(&values.handle), text(&values.hostname), blob(&values.key_fingerprint)],
        )
    }

    /// Remembers what the bucket says.
    pub(crate) fn set_marker(&self, marker: MarkerState) -> Result<(), SqlError> {
        self.run("update setup set marker = ?", &[integer(marker.number())])
    }

    /// Empties every table, in the caller's transaction. The database keeps its name and its salt,
    /// and remembers `marker`.
    pub(crate) fn empty(&self, marker: MarkerState) -> Result<(), SqlError> {
        self.drop_staging()?;
        self.drop_healing()?;
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

const EMPTYING: [&str; 13] = [
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
    "delete from removal",
    "delete from subscriber",
];
