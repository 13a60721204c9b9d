//! `cargo xtask dev`: runs an account on workerd.

use crate::error::Error;

/// Runs the command with the arguments after its name.
pub(crate) fn run(args: Vec<String>) -> Result<(), Error> {
    let _ = args;
    Err(Error::new("`cargo xtask dev` is not there; `cargo run -- dev` runs the native host"))
}
