//! Our rows for a WebAssembly host that has a clock: it calls [`setup`] once and then [`run`].
//!
//! The exports are plain functions of numbers, so that nothing stands between the host and what is
//! measured. An export without mangling counts as `unsafe`, as two of one name would clash; this
//! package is not shipped and has these two.

// The same data as natively.
#[allow(dead_code)]
#[path = "../../peers/src/data.rs"]
mod data;
#[allow(dead_code)]
#[path = "../../peers/src/rng.rs"]
mod rng;
mod rows;

use std::cell::RefCell;

use rows::Rows;

thread_local! {
    static ROWS: RefCell<Option<Rows>> = const { RefCell::new(None) };
}

/// Makes a repository of so many records.
// SAFETY: no other function is called `setup`.
#[unsafe(no_mangle)]
pub extern "C" fn setup(size: u32) {
    ROWS.set(Some(Rows::new(size as usize)));
}

/// Does the row of this number so many times. What it returns depends on every result, so that
/// none can be left out.
// SAFETY: no other function is called `run`.
#[unsafe(no_mangle)]
pub extern "C" fn run(row: u32, times: u32) -> u32 {
    ROWS.with_borrow_mut(|rows| {
        let rows = rows.as_mut().expect("setup() comes first");
        (0..times).fold(0, |sum, time| sum ^ rows.run(row, time as usize))
    })
}
