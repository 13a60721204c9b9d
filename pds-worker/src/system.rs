//! The runtime's clock, alarm, random numbers and log.

use js_sys::Promise;
use nacre_pds::host::{Alarm, Clock, Entry, Level, Log, Rng, SqlError};
use wasm_bindgen::prelude::*;

use crate::host_error::js_message;

/// The object's alarm, which survives eviction.
pub(crate) struct WorkerAlarm(AlarmStorage);

impl WorkerAlarm {
    /// Takes the storage of an object.
    pub(crate) fn new(storage: JsValue) -> Self {
        Self(storage.unchecked_into())
    }
}

impl Alarm for WorkerAlarm {
    fn set(&self, time_s: i64) -> Result<(), SqlError> {
        // No await: the alarm is written with the rest of the turn, and the runtime holds back all
        // output until that write is durable.
        let time_ms = js_sys::Date::new(&0.into());
        #[expect(clippy::as_conversions, reason = "times are far below 2^53")]
        let _: f64 = time_ms.set_time(time_s.saturating_mul(1_000) as f64);
        let set =
            self.0.set_alarm(&time_ms).map_err(|thrown| SqlError::other(js_message(&thrown)))?;
        let _: Promise = set;
        Ok(())
    }
}

#[wasm_bindgen]
extern "C" {
    type AlarmStorage;
    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    fn set_alarm(this: &AlarmStorage, time: &js_sys::Date) -> Result<Promise, JsValue>;
}

/// The runtime's clock. In production it does not advance during a turn.
pub(crate) struct WorkerClock;

impl Clock for WorkerClock {
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time in milliseconds is a positive integer"
    )]
    fn now_micros(&self) -> u64 {
        (js_sys::Date::now() as u64).saturating_mul(1_000)
    }
}

/// Random numbers from WebCrypto.
pub(crate) struct WorkerRng;

impl Rng for WorkerRng {
    fn fill(&self, bytes: &mut [u8]) {
        // No caller can continue without random numbers.
        getrandom::fill(bytes).expect("every runtime of Workers has crypto.getRandomValues");
    }
}

/// The console, as shown by `wrangler tail` and the dashboard. Each entry is one line of JSON,
/// whose fields Workers Logs indexes.
pub(crate) struct WorkerLog {
    pub(crate) level: Level,
}

impl Log for WorkerLog {
    fn is_enabled(&self, level: Level) -> bool {
        level <= self.level
    }

    fn write(&self, entry: &Entry<'_>) {
        write(entry);
    }
}

/// Writes an entry to the console.
pub(crate) fn write(entry: &Entry<'_>) {
    let line = entry.to_json();
    match entry.level {
        Level::Error => console_error(&line),
        Level::Warn => console_warn(&line),
        Level::Info => console_info(&line),
        Level::Debug => console_debug(&line),
    }
}

/// Writes an entry about a failure of the host itself.
pub(crate) fn log_failure(event: &'static str, message: &str) {
    write(&Entry { level: Level::Error, event, message, request: None });
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = debug)]
    fn console_debug(line: &str);
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(line: &str);
    #[wasm_bindgen(js_namespace = console, js_name = info)]
    fn console_info(line: &str);
    #[wasm_bindgen(js_namespace = console, js_name = warn)]
    fn console_warn(line: &str);
}
