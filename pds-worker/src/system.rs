//! The time, the randomness and the log of the runtime.

use nacre_pds::host::{Clock, Log, Rng};

/// The runtime's clock, which in production stands still during a turn.
pub(crate) struct WorkerClock;

impl Clock for WorkerClock {
    fn now_micros(&self) -> u64 {
        worker::Date::now().as_millis().saturating_mul(1_000)
    }
}

/// The randomness of WebCrypto.
pub(crate) struct WorkerRng;

impl Rng for WorkerRng {
    fn fill(&self, bytes: &mut [u8]) {
        // A secret must not be made without randomness, and no caller could go on without it.
        getrandom::fill(bytes).expect("every runtime of Workers has crypto.getRandomValues");
    }
}

/// The console, which is what `wrangler tail` and the dashboard show.
pub(crate) struct WorkerLog;

impl Log for WorkerLog {
    fn error(&self, message: &str) {
        worker::console_error!("{message}");
    }
}
