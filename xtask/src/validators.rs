//! `cargo xtask validators`: compares lexicon validators by their wrong answers.

use crate::cargo::{self, cargo};
use crate::error::Error;
use crate::process::run as start;

/// Builds `benches/validators` and runs it with the arguments of the command line.
pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    let mut run = cargo();
    run.env("CARGO_TARGET_DIR", cargo::target_folder()?.join("validators"));
    run.args(["run", "--release", "--quiet", "--manifest-path", "benches/validators/Cargo.toml"]);
    start(run.arg("--").args(args))
}
