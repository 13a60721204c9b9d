//! The schema: numbered migrations of all tables, and table `schema_version`. A database with a
//! newer schema is rejected.

use alloc::rc::Rc;

use super::sql::Store;
use super::values::integer;
use crate::host::{Sql, SqlError};

/// Why the database's schema cannot be brought up to date.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SchemaError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// A newer version of this program has migrated the database.
    #[error("database has schema {found}, but this program only knows schemas up to {known}")]
    Newer {
        /// Version of the database.
        found: i64,
        /// Newest version that this program knows.
        known: i64,
    },
}

impl Store {
    /// Opens a database and migrates it to the newest schema. Returns the version that it had
    /// before, 0 for a new database.
    pub(crate) fn open(sql: Rc<dyn Sql>) -> Result<(Self, i64), SchemaError> {
        let store = Self::new(sql);
        store.run(
            "create table if not exists schema_version (version integer not null) strict",
            &[],
        )?;
        let found = store
            .first("select version from schema_version", &[], |row| row.integer(0))?
            .unwrap_or(0);
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(SchemaError::Newer { found, known });
        }
        for (version, migration) in (1..).zip(MIGRATIONS) {
            if version > found {
                store.transaction(|| store.migrate(version, migration))?;
            }
        }
        Ok((store, found))
    }

    fn migrate(&self, version: i64, statements: &[&'static str]) -> Result<(), SqlError> {
        for statement in statements {
            self.run(statement, &[])?;
        }
        self.run("delete from schema_version", &[])?;
        self.run("insert into schema_version (version) values (?)", &[integer(version)])?;
        Ok(())
    }
}

/// Each entry migrates the schema from the previous version to its own, counted from 1. Never
/// change the effect of an entry: existing databases have run it.
const MIGRATIONS: [&[&str]; 7] =
    [FIRST, BOUNDED_LOG, NETWORK, ANNOUNCED, REMOVALS, SETUP, DAY_TOTALS];

/// First version in which the stored rev of the head is always that of its commit. Earlier ones
/// could store an imported head under another rev.
pub(crate) const ANNOUNCED_HEADS: i64 = 4;

const FIRST: &[&str] = &[
    // A single row: the account, and the head of its repository.
    "create table account (
        one integer primary key check (one = 1),
        did text not null,
        active integer not null,
        seq integer not null,
        records integer not null,
        -- Number of nodes in the tree.
        nodes integer not null,
        -- Number of blobs that records refer to, and how many of these are stored.
        expected_blobs integer not null,
        stored_blobs integer not null,
        rev text not null,
        commit_cid blob not null,
        commit_block blob not null,
        data blob not null,
        -- Last, because it is the only long column.
        root_page blob not null
    ) strict",
    "create table record (
        path text primary key,
        cid blob not null,
        rev text not null,
        value blob not null
    ) strict, without rowid",
    // Records by subject, for the collections that have one record per subject.
    "create table subject (
        subject blob not null,
        rkey text not null,
        primary key (subject, rkey)
    ) strict, without rowid",
    // Stored blobs. CIDs are text, because blobs are listed in the order of CIDs as text.
    "create table blob (
        cid text primary key,
        mime_type text not null,
        size integer not null,
        -- When it became idle; null while a record refers to it.
        idle_since_s integer
    ) strict, without rowid",
    "create index idle_blob on blob (idle_since_s) where idle_since_s is not null",
    // References of records to blobs, stored or missing, and the revs that added them.
    "create table blob_ref (
        cid text not null,
        path text not null,
        rev text not null,
        primary key (cid, path)
    ) strict, without rowid",
    // The import in progress, at most one. Its contents are in staging tables, which are created
    // and dropped with it.
    "create table import (
        root blob not null,
        rev text not null,
        began_s integer not null
    ) strict",
    "create table page (
        id integer primary key,
        rev text not null,
        bytes blob not null
    ) strict",
    // Events with their finished frames, which a replay sends unchanged.
    "create table event (
        seq integer primary key,
        frame blob not null
    ) strict",
    "create table session (
        id text primary key,
        expires_s integer not null
    ) strict, without rowid",
    "create table refresh_token (
        id text primary key,
        session text not null,
        next_id text,
        expires_s integer not null
    ) strict, without rowid",
    // Attempts per time window, for the rate limits.
    "create table attempt (
        key text primary key,
        count integer not null,
        window_ends_s integer not null
    ) strict, without rowid",
];

/// Limits the event log by age and size.
const BOUNDED_LOG: &[&str] = &[
    "alter table account add column event_bytes integer not null default 0",
    // Sequence number of the last pruned event.
    "alter table account add column pruned_seq integer not null default 0",
    "alter table event add column made_s integer not null default 0",
    "update account set
         event_bytes = (select coalesce(sum(length(frame)), 0) from event),
         pruned_seq = (select coalesce(min(seq) - 1, 0) from event)",
    "update event set made_s = unixepoch()",
];

/// Adds the relays and the recent subscribers.
const NETWORK: &[&str] = &[
    // Relays that were contacted.
    "create table relay (
        url text primary key,
        -- When it was last asked to crawl, the number of consecutive failures, and the last error.
        asked_s integer not null,
        failures integer not null,
        ask_error text,
        -- Whether to ask it to crawl even if something is subscribed.
        wanted integer not null,
        -- When it was last asked for its status of this host, its answer, or the error.
        checked_s integer not null,
        status text,
        seq integer,
        check_error text,
        -- Sequence number of this host's last event at that time.
        own_seq integer not null
    ) strict, without rowid",
    // The latest subscribers of the event stream.
    "create table subscriber (
        network text primary key,
        user_agent text not null,
        connected_s integer not null,
        cursor integer
    ) strict, without rowid",
];

/// Separates the announced commit from the head, and dates an import by its last part.
const ANNOUNCED: &[&str] = &[
    // The announced commit with the greatest rev: 0 for none, 1 for the head, 2 for the one in the
    // other columns.
    "alter table account add column announced integer not null default 0",
    "alter table account add column announced_rev text",
    "alter table account add column announced_cid blob",
    "update account set announced = 1 where seq > 0",
    "alter table import rename column began_s to touched_s",
    // Number of its records that violate a current rule, and the first of them, as JSON.
    "alter table import add column odd_records integer not null default 0",
    "alter table import add column odd_examples text not null default '[]'",
];

/// Adds the pending removals of blobs.
const REMOVALS: &[&str] = &["create table removal (cid text primary key) strict, without rowid"];

/// Adds the ID of the database, and the variables of the first start.
const SETUP: &[&str] = &["create table setup (
    one integer primary key check (one = 1),
    -- Names this database in the bucket.
    owner_id text not null,
    -- The owner that the bucket names: 0 is unknown, 1 this database, 2 another one, 3 this one
    -- after another.
    marker integer not null,
    -- Key of the fingerprint.
    salt blob not null,
    -- The variables at the first start, and a keyed hash of the signing key.
    handle text,
    hostname text,
    key_fingerprint blob
) strict"];

/// Adds the totals of the day, for the metrics.
const DAY_TOTALS: &[&str] = &["alter table account add column day_totals text not null default ''"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::Sqlite;

    #[test]
    fn migration_from_the_first_schema_keeps_events_and_dates_them_now() {
        let sql = Rc::new(Sqlite::in_memory().unwrap());
        let run = |statement: &'static str| sql.query(statement, &[], &mut |_| Ok(())).unwrap();
        run("create table schema_version (version integer not null) strict");
        FIRST.iter().for_each(|statement| run(statement));
        for statement in [
            "insert into schema_version (version) values (1)",
            "insert into account
             values (1, 'did:web:a.test', 1, 9, 0, 1, 0, 0, 'rev', x'', x'', x'', x'')",
            "insert into event (seq, frame) values (7, x'0102'), (8, x'03'), (9, x'04')",
        ] {
            run(statement);
        }
        let (store, version) = Store::open(sql).unwrap();
        assert_eq!(version, 1);
        assert_eq!(store.log_bounds(), Ok((6, 9)));
        let bytes = store.first("select event_bytes from account", &[], |row| row.integer(0));
        assert_eq!(bytes, Ok::<_, SqlError>(Some(4)));
        let oldest = store.oldest_events(5).unwrap();
        assert_eq!(oldest.iter().map(|event| event.bytes).collect::<Vec<_>>(), [2, 1, 1]);
        // The events count as new, so that none is pruned at once.
        assert!(oldest.iter().all(|event| event.made_s > 1_700_000_000));
    }
}
