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
mod sql;

use core::cell::Cell;
use core::time::Duration;

use ::http::Uri;
use js_sys::{Function, Reflect};
use nacre_pds::body::{Body, Request, Response as Answer};
use nacre_pds::config::Config;
use nacre_pds::host::{Es256 as _, Es256Key, Host, RowCounts, Sockets, Sql, SqlError};
use nacre_pds::{OpenError, Pds};
use wasm_bindgen::prelude::*;
use worker::{Delay, State, WebSocketPair};

use self::sql::{broken_rules, integer, run};
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

std::thread_local! {
    /// The number of objects constructed in this isolate.
    pub(crate) static MADE: Cell<u32> = const { Cell::new(0) };
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &JsValue, delay_ms: i32);
}
