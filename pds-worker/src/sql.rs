//! The SQLite database of a Durable Object.
//!
//! These bindings replace those of the `worker` crate, which lack synchronous transactions and lose
//! the whole wasm instance when a cursor throws. Here an exception becomes a [`SqlError`].
//!
//! Parameters and rows cross as bytes, a whole statement at a time: a crossing between wasm and
//! JavaScript costs more than the bytes (see `sql.js` for the format).
//!
//! *Tricky bits.*
//!
//! - Nothing here awaits: a turn is an implicit transaction, and an await would end it.
//! - A panic in the body of a transaction passes through the runtime, which rolls back, and through
//!   this code, because wasm cannot catch a trap.
//! - An integer goes to JavaScript as a number, which SQLite stores as REAL. Columns must have
//!   INTEGER affinity, which converts it back.

use alloc::borrow::Cow;
use core::cell::{Cell, RefCell};
use core::str;
use std::collections::HashMap;

use nacre_pds::host::{Outcome, Row, RowCounts, Sql, SqlError, SqlErrorKind, Value};
use wasm_bindgen::prelude::*;

use crate::host_error::js_message;

/// The database of one object.
pub(crate) struct WorkerSql {
    storage: Storage,
    database: Database,
    /// The JavaScript strings of statements, by the address and length of their text. The runtime
    /// looks a compiled statement up by its text, which would otherwise be copied for every call.
    statements: RefCell<HashMap<(usize, usize), JsValue>>,
    /// Buffers for rows that no query is using. A query may run within another.
    buffers: RefCell<Vec<Vec<u8>>>,
    /// A buffer for parameters. No query needs it after its first crossing.
    params: RefCell<Vec<u8>>,
}

impl WorkerSql {
    /// Opens the database in the storage of an object.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the object's class was created without SQLite.
    pub(crate) fn new(storage: JsValue) -> Result<Self, SqlError> {
        let storage = storage.unchecked_into::<Storage>();
        let sql = storage.sql().map_err(|thrown| failed(&thrown))?;
        let database = Database::new(&sql);
        let (statements, buffers, params) = Default::default();
        Ok(Self { storage, database, statements, buffers, params })
    }

    /// Runs a statement, with a buffer that holds as many of its rows as fit.
    fn query_with(
        &self,
        buffer: &mut Vec<u8>,
        sql: &'static str,
        params: &[Value<'_>],
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        if buffer.len() < BUFFER_BYTES {
            buffer.resize(BUFFER_BYTES, 0);
        }
        let ran = {
            let mut encoded = self.params.borrow_mut();
            encoded.clear();
            encoded.shrink_to(MAX_KEPT_BYTES);
            params.iter().try_for_each(|value| encode(value, &mut encoded))?;
            let mut statements = self.statements.borrow_mut();
            let key = (sql.as_ptr().addr(), sql.len());
            let statement = statements.entry(key).or_insert_with(|| sql.into());
            self.database.query(statement, &encoded, buffer)
        };
        let mut written = ran.map_err(|thrown| failed(&thrown))?;
        loop {
            let Batch { cursor, next_row_bytes, rows } = Batch::parse(buffer, written)?;
            if let Err(error) = read_rows(rows, row) {
                let ended = if cursor == 0 { Ok(()) } else { self.database.end(cursor) };
                return ended.map_err(|thrown| failed(&thrown)).and(Err(error));
            }
            if cursor == 0 {
                return Ok(());
            }
            let needed = HEADER_BYTES.saturating_add(next_row_bytes);
            if needed > buffer.len() {
                buffer.resize(needed, 0);
            }
            written = self.database.next(cursor, buffer).map_err(|thrown| failed(&thrown))?;
        }
    }
}

impl Sql for WorkerSql {
    fn query(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let mut buffer = self.buffers.borrow_mut().pop().unwrap_or_default();
        let result = self.query_with(&mut buffer, sql, params, row);
        if buffer.capacity() <= MAX_KEPT_BYTES {
            self.buffers.borrow_mut().push(buffer);
        }
        result
    }

    fn transaction(&self, body: &mut dyn FnMut() -> Outcome) -> Result<(), SqlError> {
        let outcome = Cell::new(None);
        let result = self.storage.transaction_sync(&mut || {
            outcome.set(Some(body()));
            match outcome.get() {
                Some(Outcome::Commit) => Ok(JsValue::UNDEFINED),
                // An exception of any kind rolls the transaction back.
                Some(Outcome::Rollback) | None => Err(JsValue::NULL),
            }
        });
        match (result, outcome.get()) {
            (Ok(_), _) | (Err(_), Some(Outcome::Rollback)) => Ok(()),
            (Err(thrown), _) => Err(failed(&thrown)),
        }
    }

    fn row_counts(&self) -> RowCounts {
        RowCounts { read: to_count(rows_read()), written: to_count(rows_written()) }
    }
}

/// The rows of one crossing, as `sql.js` writes them.
struct Batch<'b> {
    /// The id of the cursor if rows are left, or 0.
    cursor: u32,
    next_row_bytes: usize,
    rows: &'b [u8],
}

impl<'b> Batch<'b> {
    fn parse(buffer: &'b [u8], written: u32) -> Result<Self, SqlError> {
        let written = usize::try_from(written).map_err(|_| corrupt())?;
        let mut bytes = Bytes(buffer.get(..written).ok_or_else(corrupt)?);
        let (cursor, next) = (bytes.u32()?, bytes.u32()?);
        let next_row_bytes = usize::try_from(next).map_err(|_| corrupt())?;
        Ok(Self { cursor, next_row_bytes, rows: bytes.0 })
    }
}

/// A row in a buffer.
struct WorkerRow<'b>(Vec<Value<'b>>);

impl Row for WorkerRow<'_> {
    fn value(&self, index: usize) -> Value<'_> {
        match self.0.get(index) {
            Some(Value::Blob(bytes)) => Value::Blob(Cow::Borrowed(bytes)),
            Some(Value::Integer(integer)) => Value::Integer(*integer),
            Some(Value::Text(text)) => Value::Text(Cow::Borrowed(text)),
            Some(Value::Null) | None => Value::Null,
        }
    }
}

fn read_rows(
    rows: &[u8],
    row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
) -> Result<(), SqlError> {
    let mut bytes = Bytes(rows);
    let mut found = WorkerRow(Vec::new());
    while !bytes.0.is_empty() {
        let [columns] = bytes.take_array()?;
        found.0.clear();
        for _ in 0..columns {
            found.0.push(bytes.value()?);
        }
        row(&found)?;
    }
    Ok(())
}

/// Bytes that are read from the front.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], SqlError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(corrupt)?;
        self.0 = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], SqlError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(corrupt)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, SqlError> {
        self.take_array().map(u32::from_le_bytes)
    }

    fn value(&mut self) -> Result<Value<'b>, SqlError> {
        let [tag] = self.take_array()?;
        match tag {
            NULL => Ok(Value::Null),
            NUMBER => from_number(f64::from_le_bytes(self.take_array()?)).map(Value::Integer),
            TEXT => {
                let text = str::from_utf8(self.long()?).map_err(|_| corrupt())?;
                Ok(Value::Text(Cow::Borrowed(text)))
            }
            BLOB => Ok(Value::Blob(Cow::Borrowed(self.long()?))),
            _ => Err(corrupt()),
        }
    }

    fn long(&mut self) -> Result<&'b [u8], SqlError> {
        let length = usize::try_from(self.u32()?).map_err(|_| corrupt())?;
        self.take(length)
    }
}

/// Appends a parameter as `sql.js` reads it.
fn encode(value: &Value<'_>, buffer: &mut Vec<u8>) -> Result<(), SqlError> {
    let (tag, bytes) = match value {
        Value::Blob(bytes) => (BLOB, bytes.as_ref()),
        Value::Integer(integer) => {
            buffer.push(NUMBER);
            buffer.extend_from_slice(&to_number(*integer)?.to_le_bytes());
            return Ok(());
        }
        Value::Null => {
            buffer.push(NULL);
            return Ok(());
        }
        Value::Text(text) => (TEXT, text.as_bytes()),
    };
    let size = bytes.len();
    let length = u32::try_from(size).ok().filter(|_| size <= MAX_VALUE_BYTES);
    let length = length.ok_or_else(|| {
        let text = format!("value of {size} bytes exceeds the limit of {MAX_VALUE_BYTES}");
        SqlError::new(SqlErrorKind::TooLarge, text)
    })?;
    buffer.push(tag);
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(bytes);
    Ok(())
}

#[expect(clippy::as_conversions, reason = "a safe integer is the same number in both forms")]
fn to_number(integer: i64) -> Result<f64, SqlError> {
    if (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&integer) {
        Ok(integer as f64)
    } else {
        Err(SqlError::other(format!("integer {integer} is outside ±(2^53 - 1)")))
    }
}

#[expect(clippy::as_conversions, reason = "a safe integer is the same number in both forms")]
fn from_number(number: f64) -> Result<i64, SqlError> {
    let integer = number as i64;
    if (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&integer) && integer as f64 == number {
        Ok(integer)
    } else {
        Err(SqlError::other(format!("{number} is not an integer within ±(2^53 - 1)")))
    }
}

fn corrupt() -> SqlError {
    SqlError::other("rows from JavaScript are malformed")
}

fn failed(thrown: &JsValue) -> SqlError {
    let text = js_message(thrown);
    SqlError::new(kind_of(&text), text)
}

/// Returns the kind of a failure by its message, because the runtime has no error codes.
///
/// If Cloudflare changes a message, the failure is handled like any other.
fn kind_of(message: &str) -> SqlErrorKind {
    let message = message.to_ascii_lowercase();
    let contains = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if contains(&["exceeded"]) && contains(&["rows written", "row writes", "rows read"]) {
        SqlErrorKind::QuotaExceeded
    } else if contains(&["sqlite_toobig", "string or blob too big"]) {
        SqlErrorKind::TooLarge
    } else if contains(&["sqlite_constraint", "constraint failed"]) {
        SqlErrorKind::Constraint
    } else if contains(&["sqlite_busy", "sqlite_locked"]) {
        SqlErrorKind::Busy
    } else {
        SqlErrorKind::Other
    }
}

#[wasm_bindgen]
extern "C" {
    type Storage;
    #[wasm_bindgen(method, catch, getter)]
    fn sql(this: &Storage) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &Storage,
        body: &mut dyn FnMut() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen(module = "/src/sql.js")]
extern "C" {
    type Database;
    #[wasm_bindgen(constructor)]
    fn new(sql: &JsValue) -> Database;
    #[wasm_bindgen(method, catch)]
    fn query(
        this: &Database,
        statement: &JsValue,
        params: &[u8],
        rows: &mut [u8],
    ) -> Result<u32, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn next(this: &Database, cursor: u32, rows: &mut [u8]) -> Result<u32, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn end(this: &Database, cursor: u32) -> Result<(), JsValue>;
    #[wasm_bindgen(js_name = rowsRead)]
    fn rows_read() -> f64;
    #[wasm_bindgen(js_name = rowsWritten)]
    fn rows_written() -> f64;
}

fn to_count(rows: f64) -> u64 {
    from_number(rows).ok().and_then(|rows| rows.try_into().ok()).unwrap_or_default()
}

/// Tags of values, as in `sql.js`.
const NULL: u8 = 0;
const NUMBER: u8 = 1;
const TEXT: u8 = 2;
const BLOB: u8 = 3;
const HEADER_BYTES: usize = 8;
/// The least size of a buffer for rows: most results fit, so a statement crosses once.
const BUFFER_BYTES: usize = 16 * 1024;
/// Larger buffers are freed after the query.
const MAX_KEPT_BYTES: usize = 256 * 1024;
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;
/// The platform's size limit for a string or blob. The local runtime accepts larger ones.
const MAX_VALUE_BYTES: usize = 2_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_runtime_have_their_kinds() {
        let quota = "Exceeded allowed rows written in Durable Objects free tier.";
        assert_eq!(kind_of(quota), SqlErrorKind::QuotaExceeded);
        let constraint = "UNIQUE constraint failed: record.path: SQLITE_CONSTRAINT";
        assert_eq!(kind_of(constraint), SqlErrorKind::Constraint);
        let too_large = "string or blob too big: SQLITE_TOOBIG";
        assert_eq!(kind_of(too_large), SqlErrorKind::TooLarge);
        assert_eq!(kind_of("database table is locked: SQLITE_LOCKED"), SqlErrorKind::Busy);
        assert_eq!(kind_of("disk I/O error: SQLITE_IOERR"), SqlErrorKind::Other);
    }

    #[test]
    fn values_cross_unchanged() -> Result<(), SqlError> {
        let values = [
            Value::Null,
            Value::Integer(MAX_SAFE_INTEGER),
            Value::Text(Cow::Borrowed("\u{feff}é")),
            Value::Blob(Cow::Borrowed(&[0, 255])),
        ];
        let mut bytes = vec![4];
        values.iter().try_for_each(|value| encode(value, &mut bytes))?;
        let mut rows = 0;
        read_rows(&bytes, &mut |row| {
            rows += 1;
            assert!((0..4).all(|column| row.value(column) == values[column]));
            Ok(())
        })?;
        assert_eq!(rows, 1);
        // Truncated rows are an error, except at the end of a row.
        for end in 1..bytes.len() {
            assert!(read_rows(&bytes[..end], &mut |_| Ok(())).is_err(), "{end}");
        }
        Ok(())
    }
}
