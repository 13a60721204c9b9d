//! A process that measures one row of one library.
//!
//! One process each, so that nothing that another library has left in the heap is counted. It makes
//! everything ready, says so, and then does what it is told, so that the driver can let the
//! libraries take turns.

use std::io::{self, BufRead, Write};

use crate::library::case_of;
use crate::row::Row;
use crate::world::World;

/// Runs until the driver is done. Its answers are lines:
/// `ready OPERATIONS ANSWER…` or `absent`, then for each line `time PASSES` the nanoseconds of an
/// operation, and for `memory` the peak and the allocations.
pub fn run(library: &str, row: Row, size: usize) -> io::Result<()> {
    let world = World::new(size);
    let mut out = io::stdout().lock();
    let Some(mut case) = case_of(library, row, &world) else {
        return writeln!(out, "absent");
    };
    let answers = case.answers();
    write!(out, "ready {}", case.operations())?;
    for answer in answers {
        write!(out, " {answer:016x}")?;
    }
    writeln!(out)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("time", passes)) => {
                let passes = passes.parse().expect("a number of passes");
                writeln!(out, "{}", case.nanos(passes))?;
            }
            _ => {
                let taken = case.taken();
                writeln!(out, "{} {}", taken.peak, taken.allocations)?;
            }
        }
    }
    Ok(())
}
