//! `cargo xtask peers`: measures our protocol crates beside other people's.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error};
use crate::paths;
use crate::process::{cargo, command, run as start};

/// Builds the benchmarks and runs them with the options of the command line, which are theirs.
pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    // Cargo unites the features of a dependency. What the peers turn on must not reach ours, so
    // ours are measured by a program of their own.
    let ours = build("nacre-peers-ours", &["--no-default-features"])?;
    let all = build("nacre-peers-all", &[])?;
    let mut table = command(&all, paths::root());
    table.arg("table").arg("--ours").arg(ours);
    table.arg("--save").arg(paths::root().join("benches/RESULTS.md")).args(args);
    start(&mut table)
}

/// Builds the benchmarks, and keeps the program under a name of its own.
fn build(name: &str, options: &[&str]) -> Result<PathBuf, Error> {
    let folder = paths::target()?.join("peers");
    let mut build = cargo();
    build.args(["build", "--release", "--manifest-path"]).arg(manifest());
    start(build.args(options).env("CARGO_TARGET_DIR", &folder))?;
    let program = folder.join(name);
    fs::copy(folder.join("release/nacre-peers"), &program)
        .context(format_args!("cannot make {}", program.display()))?;
    Ok(program)
}

/// The benchmarks are a workspace of their own: nobody else waits for their dependencies.
fn manifest() -> &'static Path {
    Path::new("benches/peers/Cargo.toml")
}
