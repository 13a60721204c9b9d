//! `cargo xtask validators`: our validator of lexicons beside other people's.

use crate::error::Error;
use crate::paths;
use crate::process::{cargo, run as start};

/// Builds the counter of wrong answers, and runs it with the options of the command line.
pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    let mut run = cargo();
    run.env("CARGO_TARGET_DIR", paths::target()?.join("validators"));
    run.args(["run", "--release", "--quiet", "--manifest-path", "benches/validators/Cargo.toml"]);
    start(run.arg("--").args(args))
}
