//! Counts what an operation allocates.
//!
//! This is the one place of the project with an `unsafe` allocator: there is no other way to learn
//! what a library takes from the heap, and nothing of this package is shipped. Every call goes to
//! the system's allocator unchanged; the counters are of the one thread that measures.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub struct Counting;

static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// What an operation took.
#[derive(Clone, Copy, Default)]
pub struct Taken {
    /// The most bytes that were held at one time, above what was held before.
    pub peak: u64,
    /// How often memory was asked for, growing included.
    pub allocations: u64,
}

/// Runs `operation` and returns what it took besides its result.
pub fn of<T>(operation: impl FnOnce() -> T) -> (T, Taken) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let allocations = ALLOCATIONS.load(Relaxed);
    let result = operation();
    let peak = PEAK.load(Relaxed) - before;
    (result, Taken { peak, allocations: ALLOCATIONS.load(Relaxed) - allocations })
}

fn taken(bytes: u64) {
    ALLOCATIONS.store(ALLOCATIONS.load(Relaxed) + 1, Relaxed);
    let live = LIVE.load(Relaxed) + bytes;
    LIVE.store(live, Relaxed);
    if live > PEAK.load(Relaxed) {
        PEAK.store(live, Relaxed);
    }
}

// Loads and stores instead of locked additions: a program of one thread loses nothing by it, and
// libraries that allocate more than ours are not made to look slower than they are.
fn returned(bytes: u64) {
    LIVE.store(LIVE.load(Relaxed).wrapping_sub(bytes), Relaxed);
}

// SAFETY: each method hands its arguments to `System`, which keeps the contract, and returns what
// that returned.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size() as u64);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size() as u64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        returned(layout.size() as u64);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    /// Counts as the difference: what is moved from one place to the other is not held twice by
    /// the system for the large blocks that matter, whose pages it moves.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        returned(layout.size() as u64);
        taken(size as u64);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}
