//! The SQLite database of a Durable Object.
//!
//! These bindings replace those of the `worker` crate, which lack synchronous transactions and lose
//! the whole wasm instance when a cursor throws. Here an exception becomes a [`SqlError`].
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
use std::collections::HashMap;

use js_sys::{Array, ArrayBuffer, Number, Uint8Array};
use nacre_pds::host::{Outcome, Row, Sql, SqlError, SqlErrorKind, Value};
use wasm_bindgen::prelude::*;

use crate::host_error::js_message;

/// The database of one object.
pub(crate) struct WorkerSql {
    storage: Storage,
    sql: SqlStorage,
    /// The JavaScript strings of statements, by the address and length of their text. The runtime
    /// looks a compiled statement up by its text, which would otherwise be copied for every call.
    statements: RefCell<HashMap<(usize, usize), JsValue>>,
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
        Ok(Self { storage, sql, statements: RefCell::default() })
    }

    fn statement(&self, sql: &'static str) -> JsValue {
        let key = (sql.as_ptr().addr(), sql.len());
        self.statements.borrow_mut().entry(key).or_insert_with(|| sql.into()).clone()
    }
}

impl Sql for WorkerSql {
    fn query(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let params = params.iter().map(to_js).collect::<Result<Array, _>>()?;
        let cursor = self.sql.exec(&self.statement(sql), &params);
        let cursor = cursor.map_err(|thrown| failed(&thrown))?;
        let rows = cursor.raw().map_err(|thrown| failed(&thrown))?;
        loop {
            let step = rows.next().map_err(|thrown| failed(&thrown))?;
            if step.done() {
                #[cfg(feature = "test-routes")]
                count(&cursor);
                return Ok(());
            }
            let read =
                WorkerRow::read(&step.value().unchecked_into()).and_then(|found| row(&found));
            if let Err(error) = read {
                return drain(&rows).and(Err(error));
            }
        }
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
}

/// Reads and drops the remaining rows. A statement with unread rows locks its tables, and a cursor
/// has no `close`.
fn drain(rows: &Cursor) -> Result<(), SqlError> {
    while !rows.next().map_err(|thrown| failed(&thrown))?.done() {}
    Ok(())
}

/// A row, copied into wasm memory.
struct WorkerRow(Vec<Value<'static>>);

impl WorkerRow {
    fn read(columns: &Array) -> Result<Self, SqlError> {
        columns.iter().map(from_js).collect::<Result<_, _>>().map(Self)
    }
}

impl Row for WorkerRow {
    fn value(&self, index: usize) -> Value<'_> {
        match self.0.get(index) {
            Some(Value::Blob(bytes)) => Value::Blob(Cow::Borrowed(bytes)),
            Some(Value::Integer(integer)) => Value::Integer(*integer),
            Some(Value::Text(text)) => Value::Text(Cow::Borrowed(text)),
            Some(Value::Null) | None => Value::Null,
        }
    }
}

fn to_js(value: &Value<'_>) -> Result<JsValue, SqlError> {
    let size = match value {
        Value::Blob(bytes) => bytes.len(),
        Value::Text(text) => text.len(),
        Value::Integer(_) | Value::Null => 0,
    };
    if size > MAX_VALUE_BYTES {
        let text = format!("value of {size} bytes exceeds the limit of {MAX_VALUE_BYTES}");
        return Err(SqlError::new(SqlErrorKind::TooLarge, text));
    }
    match value {
        Value::Blob(bytes) => Ok(Uint8Array::from(bytes.as_ref()).into()),
        Value::Integer(integer) => to_number(*integer),
        Value::Null => Ok(JsValue::NULL),
        Value::Text(text) => Ok(JsValue::from_str(text)),
    }
}

fn from_js(value: JsValue) -> Result<Value<'static>, SqlError> {
    if let Some(number) = value.as_f64() {
        return from_number(number).map(Value::Integer);
    }
    if let Some(text) = value.as_string() {
        return Ok(Value::Text(Cow::Owned(text)));
    }
    if value.is_null() {
        return Ok(Value::Null);
    }
    let buffer = value.dyn_into::<ArrayBuffer>();
    let buffer = buffer.map_err(|_| SqlError::other("column value of unknown type"))?;
    Ok(Value::Blob(Cow::Owned(Uint8Array::new(&buffer).to_vec())))
}

#[expect(clippy::as_conversions, reason = "a safe integer is the same number in both forms")]
fn to_number(integer: i64) -> Result<JsValue, SqlError> {
    let number = integer as f64;
    if Number::is_safe_integer(&number.into()) {
        Ok(number.into())
    } else {
        Err(SqlError::other(format!("integer {integer} is outside ±(2^53 - 1)")))
    }
}

#[expect(clippy::as_conversions, reason = "a safe integer is the same number in both forms")]
fn from_number(number: f64) -> Result<i64, SqlError> {
    if Number::is_safe_integer(&number.into()) {
        Ok(number as i64)
    } else {
        Err(SqlError::other(format!("{number} is not an integer within ±(2^53 - 1)")))
    }
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
    fn sql(this: &Storage) -> Result<SqlStorage, JsValue>;
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &Storage,
        body: &mut dyn FnMut() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue>;

    type SqlStorage;
    #[wasm_bindgen(method, catch, variadic)]
    fn exec(this: &SqlStorage, sql: &JsValue, params: &Array) -> Result<Cursor, JsValue>;

    type Cursor;
    #[wasm_bindgen(method, catch)]
    fn raw(this: &Cursor) -> Result<Cursor, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn next(this: &Cursor) -> Result<js_sys::IteratorNext, JsValue>;
    #[cfg(feature = "test-routes")]
    #[wasm_bindgen(method, getter, js_name = rowsRead)]
    fn rows_read(this: &Cursor) -> f64;
    #[cfg(feature = "test-routes")]
    #[wasm_bindgen(method, getter, js_name = rowsWritten)]
    fn rows_written(this: &Cursor) -> f64;
}

#[cfg(feature = "test-routes")]
std::thread_local! {
    /// The rows that the platform would bill: rows read, rows written.
    pub(crate) static BILLED: Cell<(f64, f64)> = const { Cell::new((0.0, 0.0)) };
}

#[cfg(feature = "test-routes")]
fn count(cursor: &Cursor) {
    let (read, written) = BILLED.get();
    BILLED.set((read + cursor.rows_read(), written + cursor.rows_written()));
}

/// The platform's size limit for a string or blob. The local runtime accepts larger ones.
const MAX_VALUE_BYTES: usize = 2_000_000;
