//! An in-memory host for tests: a manual clock, seeded randomness, sockets that record what they
//! are sent, and injected faults.

mod later;
mod memory;
mod network;
mod recorded_log;
mod recorder;
mod slices;
mod urls;

use core::pin::pin;
use core::task::{Context, Poll, Waker};

pub use self::memory::{Marker, Memory, account};
pub use self::recorder::{Recorder, Sent};
pub use self::urls::{OWN_HOST, StrangersUrl, check_strangers_urls, strangers_urls};

/// Polls a future until it is ready. It must not wait for anything but this host.
///
/// # Panics
///
/// If the future is still pending after 10,000 polls.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..MAX_POLLS {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("the future is still pending after {MAX_POLLS} polls");
}

const MAX_POLLS: usize = 10_000;
