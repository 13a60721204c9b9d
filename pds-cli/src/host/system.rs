//! The operating system's clock and random numbers.

use std::time::{SystemTime, UNIX_EPOCH};

use nacre_pds::host::{Clock, Rng};

/// The system's clock.
pub(crate) struct SystemClock;

/// The system's random number generator.
pub(crate) struct SystemRng;

impl Clock for SystemClock {
    fn now_micros(&self) -> u64 {
        // A clock set before 1970 reads as 1970.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system provides random numbers");
    }
}
