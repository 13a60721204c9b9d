//! A host in memory, for tests: the clock stands until it is moved, randomness is seeded, sockets
//! record what they are sent, and the database fails when it is told to.

mod memory;
mod recorder;

use core::pin::pin;
use core::task::{Context, Poll, Waker};

pub use self::memory::{Marker, Memory, account};
pub use self::recorder::{Recorder, Sent};

/// Runs a future that waits for nothing but what this host gives, which is always ready.
///
/// # Panics
///
/// If the future waits for anything else.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..MAX_POLLS {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("the future waits for something that a host in memory never gives");
}

const MAX_POLLS: usize = 10_000;
