//! Routes for tests on the real runtime. They break the object on purpose and check the parts of
//! the host that no native test reaches. A build with `test-routes` answers `GET /__test/…`:
//!
//! | route | effect |
//! |---|---|
//! | `panic` | writes a row, then panics in the same turn |
//! | `panic?transaction` | the same inside a transaction |
//! | `panic?later` | responds, then panics in a separate future |
//! | `panic?count` | returns how many of these rows were kept |
//! | `panic?alarm` | sets the alarm, which panics twice before it does its work |
//! | `panic?alarms` | returns how many of these panics are left, and how often work ran since |
//! | `abort` | evicts the object shortly after the response |
//! | `sql` | lists the rules of [`Sql`] that are broken, one a line |
//! | `made` | returns how many objects this isolate constructed: one more after each hibernation |
//! | `es256?<key>&<message>&<signature>` | verifies a signature; the values are hexadecimal |
//! | `crossings` | the number of calls from wasm to JavaScript so far |
//! | `rows` | returns how many rows statements read and wrote, as the platform bills them |
//! | `run-due-work` | runs due work, as the alarm does |
//! | `socket` | accepts a WebSocket and attaches three bytes to it |
//! | `fetch` | sends a request to another server, as the JSON in the body says |
//! | `send` | sends each socket its attachment, and returns the number of sockets |

mod fetch;

use alloc::borrow::Cow;
use core::cell::Cell;
use core::time::Duration;

use ::http::Uri;
use js_sys::{Function, Reflect};
use nacre_pds::body::{Body, Request, Response as Answer};
use nacre_pds::config::Config;
use nacre_pds::host::{
    Es256 as _, Es256Key, Host, Outcome, RowCounts, Sockets, Sql, SqlError, SqlErrorKind, Value,
};
use nacre_pds::{OpenError, Pds};
use wasm_bindgen::prelude::*;
use worker::{Delay, State, WebSocketPair};

use crate::es256::WebCryptoEs256;
use crate::host_error::HostError;
use crate::http;
use crate::sockets::{WorkerSockets, switching_protocols};

/// Answers a request to a test route, or returns `None` for other requests.
///
/// # Errors
///
/// [`HostError`] if the database or the runtime fails.
///
/// # Panics
///
/// If the route asks for it.
pub(crate) fn answer(
    state: &State,
    sockets: &WorkerSockets,
    host: &Host,
    uri: &Uri,
) -> Result<Option<web_sys::Response>, HostError> {
    let text = match (uri.path().strip_prefix("/__test/"), uri.query()) {
        (Some("panic"), Some("count")) => rows(&*host.sql).map_err(OpenError::from)?.to_string(),
        (Some("panic"), Some("later")) => {
            state.wait_until(async {
                Delay::from(Duration::from_millis(20)).await;
                panic!("a test asked for it");
            });
            String::new()
        }
        (Some("panic"), Some("alarm")) => {
            let now_s = host.clock.now_micros() / 1_000_000;
            break_alarm(host, i64::try_from(now_s).unwrap_or_default()).map_err(OpenError::from)?;
            String::new()
        }
        (Some("panic"), Some("alarms")) => alarms(&*host.sql).map_err(OpenError::from)?,
        (Some("panic"), option) => {
            panic_after_write(&*host.sql, option == Some("transaction"))
                .map_err(OpenError::from)?;
            String::new()
        }
        (Some("abort"), _) => {
            abort_soon(state)?;
            String::new()
        }
        (Some("sql"), _) => broken_rules(&*host.sql).map_err(OpenError::from)?.join("\n"),
        (Some("made"), _) => MADE.get().to_string(),
        (Some("crossings"), _) => {
            let crossings = Reflect::get(&js_sys::global(), &"crossings".into())?;
            crossings.as_f64().unwrap_or_default().to_string()
        }
        (Some("rows"), _) => {
            let RowCounts { read, written } = host.sql.row_counts();
            format!("[{read},{written}]")
        }
        (Some("socket"), _) => {
            let pair = WebSocketPair::new()?;
            let id = sockets.accept(pair.server.as_ref())?;
            sockets.set_attachment(id, &[1, 2, 3]);
            return Ok(Some(switching_protocols(pair.client)));
        }
        (Some("send"), _) => {
            let open = sockets.list();
            for id in &open {
                sockets.send(&[*id], &sockets.attachment(*id).unwrap_or_default());
            }
            open.len().to_string()
        }
        _ => return Ok(None),
    };
    http::response(Answer::new(text.into())).map(Some)
}

/// Answers a request to a test route that needs the server, or returns any other request unchanged.
/// `parts` returns what another server would be opened with.
///
/// # Errors
///
/// [`HostError`] if the runtime fails.
pub(crate) async fn answer_with(
    pds: &Pds,
    parts: impl FnOnce() -> Result<(Host, Config), HostError>,
    request: Request,
) -> Result<Result<web_sys::Response, Request>, HostError> {
    let answer = match request.uri().path() {
        "/__test/run-due-work" => {
            pds.run_due_work().await;
            Body::Empty
        }
        "/__test/es256" => es256(request.uri().query().unwrap_or_default()).await?.into(),
        "/__test/fetch" => {
            let (host, config) = parts()?;
            fetch::answer(&host, config, request.into_body()).await.into()
        }
        _ => return Ok(Err(request)),
    };
    http::response(Answer::new(answer)).map(Ok)
}

/// Verifies the signature in a query: "valid", "invalid", "no key".
async fn es256(query: &str) -> Result<&'static str, HostError> {
    let mut values = query.split('&').map(|hex| {
        let digits = |start| hex.get(start..start + 2);
        let byte = |start| u8::from_str_radix(digits(start)?, 16).ok();
        (0..hex.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>()
    });
    let mut value = || values.next().flatten().ok_or(HostError::Request("three values expected"));
    let (key, message, signature) = (value()?, value()?, value()?);
    let Ok(key) = Es256Key::from_sec1(&key) else { return Ok("no key") };
    let Ok(signature) = signature.try_into() else { return Ok("invalid") };
    let verified = WebCryptoEs256.verify(&key, &message, &signature).await;
    let verified = verified.map_err(|error| HostError::Runtime(error.to_string()))?;
    Ok(if verified { "valid" } else { "invalid" })
}

fn rows(sql: &dyn Sql) -> Result<i64, SqlError> {
    run(sql, "create table if not exists test_panic (id integer primary key)")?;
    integer(sql, "select count(*) from test_panic")
}

fn panic_after_write(sql: &dyn Sql, in_transaction: bool) -> Result<(), SqlError> {
    rows(sql)?;
    if !in_transaction {
        run(sql, "insert into test_panic default values")?;
        panic!("a test asked for it");
    }
    sql.transaction(&mut || {
        let _ = run(sql, "insert into test_panic default values");
        panic!("a test asked for it");
    })
}

fn break_alarm(host: &Host, now_s: i64) -> Result<(), SqlError> {
    run(&*host.sql, "drop table if exists test_alarm")?;
    run(&*host.sql, "create table test_alarm (panics integer not null, done integer not null)")?;
    run(&*host.sql, "insert into test_alarm values (2, 0)")?;
    host.alarm.set(now_s)
}

fn alarms(sql: &dyn Sql) -> Result<String, SqlError> {
    let panics = integer(sql, "select panics from test_alarm")?;
    let done = integer(sql, "select done from test_alarm")?;
    Ok(format!("[{panics},{done}]"))
}

/// Breaks the alarm if a test asked for it.
///
/// # Panics
///
/// While `panic?alarm` has panics left.
pub(crate) async fn before_due_work(host: &Host) {
    if integer(&*host.sql, "select panics from test_alarm").is_ok_and(|panics| panics > 0) {
        let _ = run(&*host.sql, "update test_alarm set panics = panics - 1");
        // Ends the turn, which keeps the update.
        Delay::from(Duration::from_millis(20)).await;
        panic!("a test asked for it");
    }
}

/// Counts an alarm that completed its work, if a test counts them.
pub(crate) fn after_due_work(host: &Host) {
    let _ = run(&*host.sql, "update test_alarm set done = done + 1");
}

/// Evicts the object from a timer, because the abort must not unwind Rust frames.
fn abort_soon(state: &State) -> Result<(), JsValue> {
    let context: &JsValue = state.as_raw().as_ref();
    let abort = Reflect::get(context, &"abort".into())?.unchecked_into::<Function>();
    let abort = abort.bind1(context, &"evicted by a test".into());
    set_timeout(&abort.into(), 0);
    Ok(())
}

/// Returns the rules that are broken.
fn broken_rules(sql: &dyn Sql) -> Result<Vec<&'static str>, SqlError> {
    run(sql, "drop table if exists test_values")?;
    run(sql, "create table test_values (id integer primary key, value)")?;
    run(sql, "drop table if exists test_integers")?;
    run(sql, "create table test_integers (value integer not null)")?;
    let mut rules = values_round_trip(sql)?;
    rules.extend(errors_are_values(sql));
    rules.extend(ended_queries_release_locks(sql)?);
    rules.extend(transactions_are_atomic(sql)?);
    let broken = rules.into_iter().filter(|(_, holds)| !holds);
    Ok(broken.map(|(rule, _)| rule).collect())
}

type Rules = Vec<(&'static str, bool)>;

fn values_round_trip(sql: &dyn Sql) -> Result<Rules, SqlError> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let values = [
        Value::Null,
        Value::Text(Cow::Borrowed("")),
        Value::Text(Cow::Borrowed("zwölf \u{1f9ea}\0 end")),
        Value::Blob(Cow::Borrowed(&[])),
        Value::Blob(Cow::Owned(every_byte)),
        Value::Blob(Cow::Owned(vec![7; 2_000_000])),
    ];
    let mut rules = Vec::new();
    for value in &values {
        sql.query(
            "insert or replace into test_values values (1, ?)",
            core::slice::from_ref(value),
            &mut ignore,
        )?;
        rules.push((
            "a value is read back unchanged",
            one(sql, "select value from test_values")? == *value,
        ));
    }
    for integer in [0, 1, -1, i64::from(i32::MIN), 4_294_967_296, SAFE, -SAFE] {
        let value = Value::Integer(integer);
        sql.query("delete from test_integers", &[], &mut ignore)?;
        sql.query(
            "insert into test_integers values (?)",
            core::slice::from_ref(&value),
            &mut ignore,
        )?;
        rules.push((
            "an integer is read back unchanged",
            one(sql, "select value from test_integers")? == value,
        ));
        let kind = one(sql, "select typeof(value) from test_integers")?;
        rules.push(("an integer is stored as one", kind == Value::Text("integer".into())));
    }
    let mut limited = 0;
    let mut count = |_: &dyn nacre_pds::host::Row| {
        limited += 1;
        Ok(())
    };
    let series = "select value from json_each('[1,2,3]') limit ?";
    sql.query(series, &[Value::Integer(2)], &mut count)?;
    rules.push(("a limit can be a parameter", limited == 2));
    Ok(rules)
}

fn errors_are_values(sql: &dyn Sql) -> Rules {
    use SqlErrorKind::{Constraint, Other, TooLarge};
    let fails = |statement: &'static str, params: &[Value<'_>]| {
        sql.query(statement, params, &mut ignore).is_err()
    };
    let kind = |statement: &'static str, params: &[Value<'_>]| {
        sql.query(statement, params, &mut ignore).err().map(|error| error.kind)
    };
    let conflict = "insert into test_values values (1, null)";
    let large = Value::Blob(Cow::Owned(vec![0; 2_000_001]));
    let mut seen = 0;
    let stopped = sql.query("select 1 union all select 2", &[], &mut |_| {
        seen += 1;
        Err(SqlError::other("enough"))
    });
    let _ = run(sql, "insert or replace into test_values values (1, null)");
    vec![
        ("bad syntax is another error", kind("selec 1", &[]) == Some(Other)),
        ("a missing table is an error", fails("select * from test_nowhere", &[])),
        ("a conflict is a constraint error", kind(conflict, &[]) == Some(Constraint)),
        ("a missing parameter is an error", fails("select ?", &[])),
        ("a spare parameter is an error", fails("select 1", &[Value::Null])),
        ("an error while stepping is an error", fails("select abs(-9223372036854775807 - 1)", &[])),
        ("a parameter beyond 2^53 is an error", fails("select ?", &[Value::Integer(SAFE + 1)])),
        ("a column beyond 2^53 is an error", fails("select 9007199254740992", &[])),
        ("a fraction is an error", fails("select 0.5", &[])),
        ("a value over 2 MB is too large", kind("select length(?)", &[large]) == Some(TooLarge)),
        ("an explicit transaction is an error", fails("begin", &[])),
        ("an error from a row callback ends the query", stopped.is_err() && seen == 1),
        ("the next statement works", !fails("select 1", &[])),
    ]
}

/// Checks that a query ended by its row callback does not keep its tables locked.
fn ended_queries_release_locks(sql: &dyn Sql) -> Result<Rules, SqlError> {
    run(sql, "drop table if exists test_ended")?;
    run(sql, "create table test_ended (value integer not null)")?;
    run(sql, "insert into test_ended values (1), (2), (3)")?;
    let ended =
        sql.query("select value from test_ended", &[], &mut |_| Err(SqlError::other("enough")));
    let dropped = run(sql, "drop table test_ended");
    Ok(vec![("a query that ended early locks no table", ended.is_err() && dropped.is_ok())])
}

fn transactions_are_atomic(sql: &dyn Sql) -> Result<Rules, SqlError> {
    let insert = "insert into test_integers values (1)";
    let count = "select count(*) from test_integers";
    run(sql, "delete from test_integers")?;
    let mut inside = Ok(());
    sql.transaction(&mut || {
        inside = run(sql, insert);
        Outcome::Rollback
    })?;
    let undone = integer(sql, count)?;
    sql.transaction(&mut || {
        inside = run(sql, insert);
        // A failed statement does not fail the transaction.
        let _ = run(sql, "selec 1");
        Outcome::Commit
    })?;
    Ok(vec![
        ("a statement runs in a transaction", inside.is_ok()),
        ("a rollback undoes all writes", undone == 0),
        ("a commit keeps all writes", integer(sql, count)? == 1),
    ])
}

fn run(sql: &dyn Sql, statement: &'static str) -> Result<(), SqlError> {
    sql.query(statement, &[], &mut ignore)
}

/// Returns the first column of the last row.
fn one(sql: &dyn Sql, statement: &'static str) -> Result<Value<'static>, SqlError> {
    let mut found = Value::Null;
    sql.query(statement, &[], &mut |row| {
        found = match row.value(0) {
            Value::Blob(bytes) => Value::Blob(Cow::Owned(bytes.into_owned())),
            Value::Integer(integer) => Value::Integer(integer),
            Value::Null => Value::Null,
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        };
        Ok(())
    })?;
    Ok(found)
}

fn integer(sql: &dyn Sql, statement: &'static str) -> Result<i64, SqlError> {
    match one(sql, statement)? {
        Value::Integer(integer) => Ok(integer),
        other => Err(SqlError::other(format!("{other:?} is not an integer"))),
    }
}

fn ignore(_: &dyn nacre_pds::host::Row) -> Result<(), SqlError> {
    Ok(())
}

std::thread_local! {
    /// The number of objects constructed in this isolate.
    pub(crate) static MADE: Cell<u32> = const { Cell::new(0) };
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &JsValue, delay_ms: i32);
}

/// The largest integer that a JavaScript number represents exactly: `Number.MAX_SAFE_INTEGER`.
const SAFE: i64 = 9_007_199_254_740_991;
