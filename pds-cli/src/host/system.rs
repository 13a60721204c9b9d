//! What the operating system gives: the time, randomness, and a place for the log.

use std::time::{SystemTime, UNIX_EPOCH};

use nacre_pds::host::{Clock, Log, Rng};

use crate::log;

/// The system's clock.
pub(crate) struct SystemClock;

/// The system's randomness.
pub(crate) struct SystemRng;

/// The log on standard error.
pub(crate) struct SystemLog;

impl Clock for SystemClock {
    fn now_micros(&self) -> u64 {
        // A clock before 1970 is as good as one that stands still.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has randomness");
    }
}

impl Log for SystemLog {
    fn error(&self, message: &str) {
        log(&message);
    }
}
