//! The error of a failed command, and lines on standard error.

use core::error::Error;
use core::fmt;
use std::io::{self, Write as _};

/// The error of a failed command. Its message is one line and ends with the remedy, if any.
pub(crate) type Failure = Box<dyn Error>;

/// Writes one line to standard error. Ignores errors: the server keeps running if it is closed.
pub(crate) fn log(line: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "pds: {line}");
}
