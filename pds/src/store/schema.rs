//! The tables, as numbered migrations. A database that newer code has opened is refused.

use alloc::rc::Rc;

use super::{Store, integer};
use crate::OpenError;
use crate::host::Sql;

impl Store {
    /// Opens the database and migrates it to the newest schema. Returns the version it had before.
    pub(crate) fn open(sql: Rc<dyn Sql>) -> Result<(Self, i64), OpenError> {
        let store = Self { sql, pages: Rc::default(), snapshots: Rc::default() };
        store.run(
            "create table if not exists schema_version (version integer not null) strict",
            &[],
        )?;
        let found = store
            .first("select version from schema_version", &[], |row| row.integer(0))?
            .unwrap_or(0);
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(OpenError::NewerSchema { found, known });
        }
        for (version, migration) in (1..).zip(MIGRATIONS) {
            if version > found {
                store.transaction(|| store.migrate(version, migration))?;
            }
        }
        Ok((store, found))
    }

    fn migrate(&self, version: i64, statements: &[&'static str]) -> Result<(), OpenError> {
        for statement in statements {
            self.run(statement, &[])?;
        }
        self.run("delete from schema_version", &[])?;
        self.run("insert into schema_version (version) values (?)", &[integer(version)])?;
        Ok(())
    }
}

/// Each entry takes the schema from the version before it to its own. Entries are never changed:
/// databases in the world have run them.
const MIGRATIONS: [&[&str]; 6] = [FIRST, BOUNDED_LOG, NETWORK, ANNOUNCED, REMOVALS, SETUP];

/// Before this version, an imported head was kept under a rev that its commit did not contain.
pub(crate) const ANNOUNCED_HEADS: i64 = 4;

const FIRST: &[&str] = &[
    // One row: the account and the head of its repository.
    "create table account (
        one integer primary key check (one = 1),
        did text not null,
        active integer not null,
        seq integer not null,
        records integer not null,
        -- How many nodes the tree has.
        nodes integer not null,
        -- How many blobs records refer to, and how many of these are here.
        expected_blobs integer not null,
        stored_blobs integer not null,
        rev text not null,
        commit_cid blob not null,
        commit_block blob not null,
        data blob not null,
        -- The last, as only this is long.
        root_page blob not null
    ) strict",
    "create table record (
        path text primary key,
        cid blob not null,
        rev text not null,
        value blob not null
    ) strict, without rowid",
    // Which records are about a subject, of the collections that have one a subject.
    "create table subject (
        subject blob not null,
        rkey text not null,
        primary key (subject, rkey)
    ) strict, without rowid",
    // A blob that is here. CIDs are text, as lists of blobs are in the order of their text.
    "create table blob (
        cid text primary key,
        mime_type text not null,
        size integer not null,
        -- Since when no record refers to it.
        idle_since_s integer
    ) strict, without rowid",
    "create index idle_blob on blob (idle_since_s) where idle_since_s is not null",
    // Which records refer to a blob, be it here or not, and since when.
    "create table blob_ref (
        cid text not null,
        path text not null,
        rev text not null,
        primary key (cid, path)
    ) strict, without rowid",
    // The import that has begun, of which there is at most one; what it has brought is in tables
    // of its own, which come and go with it.
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
    // The frame as it is sent, so that a replay copies bytes.
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
    // Attempts counted in windows of time, for the limits.
    "create table attempt (
        key text primary key,
        count integer not null,
        window_ends_s integer not null
    ) strict, without rowid",
];

/// The log of events has bounds of age and size.
const BOUNDED_LOG: &[&str] = &[
    "alter table account add column event_bytes integer not null default 0",
    // The number of the last event that is not kept any more.
    "alter table account add column pruned_seq integer not null default 0",
    "alter table event add column made_s integer not null default 0",
    "update account set
         event_bytes = (select coalesce(sum(length(frame)), 0) from event),
         pruned_seq = (select coalesce(min(seq) - 1, 0) from event)",
    "update event set made_s = unixepoch()",
];

/// Who carries events away.
const NETWORK: &[&str] = &[
    // A relay that has been asked for something.
    "create table relay (
        url text primary key,
        -- When it was last asked to crawl, how often in a row in vain, and why.
        asked_s integer not null,
        failures integer not null,
        ask_error text,
        -- Whether it is to be asked whoever listens.
        wanted integer not null,
        -- When it was last asked how we stand with it, what it said, and why it did not.
        checked_s integer not null,
        status text,
        seq integer,
        check_error text,
        -- What the number of our last event was then.
        own_seq integer not null
    ) strict, without rowid",
    // The last that have subscribed to the event stream.
    "create table subscriber (
        network text primary key,
        user_agent text not null,
        connected_s integer not null,
        cursor integer
    ) strict, without rowid",
];

/// The head may differ from what subscribers know, and an import ages from its last piece.
const ANNOUNCED: &[&str] = &[
    // Which commit of those that subscribers were told of has the greatest rev: 0 is none, 1 the
    // head, 2 the one in the other columns.
    "alter table account add column announced integer not null default 0",
    "alter table account add column announced_rev text",
    "alter table account add column announced_cid blob",
    "update account set announced = 1 where seq > 0",
    "alter table import rename column began_s to touched_s",
    // How many of its records break today's rules, and the first of them, as JSON.
    "alter table import add column odd_records integer not null default 0",
    "alter table import add column odd_examples text not null default '[]'",
];

/// Blobs whose bytes are being removed.
const REMOVALS: &[&str] = &["create table removal (cid text primary key) strict, without rowid"];

/// What names this database, and what the account was set up with.
const SETUP: &[&str] = &["create table setup (
    one integer primary key check (one = 1),
    -- Names this database in the bucket.
    owner_id text not null,
    -- Whom the bucket names: 0 is unknown, 1 this database, 2 another one, 3 this one after
    -- another.
    marker integer not null,
    -- Keys the fingerprint.
    salt blob not null,
    -- The variables at the first start, and a keyed hash of the signing key.
    handle text,
    hostname text,
    key_fingerprint blob
) strict"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SqlError;
    use crate::sqlite::Sqlite;

    #[test]
    fn a_log_of_the_first_schema_is_counted_and_kept() {
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
        // As if all had just been made: none goes at once.
        assert!(oldest.iter().all(|event| event.made_s > 1_700_000_000));
    }
}
