//! SQLite as the object has it.
//!
//! This is a binding of our own. The `worker` crate has no synchronous transaction, and where its
//! cursors meet an exception, the whole wasm instance is lost: here every call may throw, and what
//! it throws is a [`SqlError`].
//!
//! *Tricky bits.* Nothing here awaits: a turn is a transaction of its own, and an await would end
//! it. A panic in the body of a transaction passes through the runtime, which undoes what was
//! written, and through this code unseen: no wasm may catch a trap. An integer goes to JavaScript
//! as a number, which SQLite takes for a REAL; columns must therefore have INTEGER affinity, which
//! turns it back.

use alloc::borrow::Cow;
use core::cell::{Cell, RefCell};
use std::collections::HashMap;

use js_sys::{Array, ArrayBuffer, Number, Uint8Array};
use nacre_pds::host::{Outcome, Row, Sql, SqlError, Value};
use wasm_bindgen::prelude::*;

use crate::trouble::describe;

/// The database of one object.
pub(crate) struct WorkerSql {
    storage: Storage,
    sql: SqlStorage,
    /// The texts of statements as JavaScript knows them, by address and length: the runtime finds
    /// a compiled statement by its text, which would otherwise be copied at every call.
    statements: RefCell<HashMap<(usize, usize), JsValue>>,
}

impl WorkerSql {
    /// Takes the storage of an object, which must have been made with SQLite.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if the storage has no SQLite.
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
                // Whatever the closure throws undoes the transaction.
                Some(Outcome::Rollback) | None => Err(JsValue::NULL),
            }
        });
        match (result, outcome.get()) {
            (Ok(_), _) | (Err(_), Some(Outcome::Rollback)) => Ok(()),
            (Err(thrown), _) => Err(failed(&thrown)),
        }
    }
}

/// Reads what is left of a result and drops it: a statement that has rows left locks its tables,
/// and no cursor can be closed.
fn drain(rows: &Cursor) -> Result<(), SqlError> {
    while !rows.next().map_err(|thrown| failed(&thrown))?.done() {}
    Ok(())
}

/// A row that is in our memory.
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
        return Err(SqlError(format!("a value of {size} bytes is larger than {MAX_VALUE_BYTES}")));
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
    let buffer = buffer.map_err(|_| SqlError("a value of an unknown kind".to_owned()))?;
    Ok(Value::Blob(Cow::Owned(Uint8Array::new(&buffer).to_vec())))
}

#[expect(clippy::as_conversions, reason = "a safe integer is the same number in both forms")]
fn to_number(integer: i64) -> Result<JsValue, SqlError> {
    let number = integer as f64;
    if Number::is_safe_integer(&number.into()) {
        Ok(number.into())
    } else {
        Err(SqlError(format!("{integer} is beyond 2^53")))
    }
}

#[expect(clippy::as_conversions, reason = "a safe integer is the same number in both forms")]
fn from_number(number: f64) -> Result<i64, SqlError> {
    if Number::is_safe_integer(&number.into()) {
        Ok(number as i64)
    } else {
        Err(SqlError(format!("{number} is not an integer below 2^53")))
    }
}

fn failed(thrown: &JsValue) -> SqlError {
    SqlError(describe(thrown))
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
    /// How many rows the platform would bill: those read, and those written.
    pub(crate) static BILLED: Cell<(f64, f64)> = const { Cell::new((0.0, 0.0)) };
}

#[cfg(feature = "test-routes")]
fn count(cursor: &Cursor) {
    let (read, written) = BILLED.get();
    BILLED.set((read + cursor.rows_read(), written + cursor.rows_written()));
}

/// The platform's limit of a string or blob; the local runtime would let more through.
const MAX_VALUE_BYTES: usize = 2_000_000;
