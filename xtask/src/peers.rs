//! `cargo xtask peers`: measures our protocol crates beside other people's.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error};
use crate::process::{cargo, command, output, run as start, say};
use crate::wasm_toolchain::{self, TARGET, WasmToolchain};
use crate::{lexicons, node, paths, results};

/// Builds the benchmarks and runs them with the options of the command line, which are theirs; or
/// measures our own rows in WebAssembly.
pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    match args {
        [only] if only == "wasm" => in_wasm(),
        _ => beside_others(args),
    }
}

fn beside_others(args: &[String]) -> Result<(), Error> {
    // Cargo unites the features of a dependency. What others turn on must reach neither ours nor
    // the library that ours is compared with, so these are measured by a program of their own.
    let ours = build("nacre-peers-ours", &["--no-default-features"])?;
    let all = build("nacre-peers-all", &[])?;
    let mut table = command(&all, paths::root());
    table.arg("table").arg("--ours").arg(ours);
    table.arg("--save").arg(results::file()).args(args);
    // For those that have schemas of their own kind.
    table.env("NACRE_LEXICONS", lexicons::folder()?);
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

/// Measures our rows in Node and in workerd.
fn in_wasm() -> Result<(), Error> {
    let mut build = WasmToolchain::find_or_make()?.cargo("build")?;
    start(build.args(["--release", "--manifest-path", "benches/wasm/Cargo.toml"]))?;
    node::npm_ci(&paths::e2e())?;
    let module = format!("{TARGET}/release/nacre_bench_wasm.wasm");
    let mut bench = command(node::node()?, paths::root());
    // On a busy machine V8 may be late to optimise what its first compiler has made.
    bench
        .args(["--no-liftoff", "benches/wasm/bench.mjs"])
        .arg(wasm_toolchain::target_folder()?.join(module));
    bench.arg(WASM_RECORDS).arg(paths::e2e().join("node_modules/workerd/bin/workerd"));
    say("measuring in Node and in workerd");
    let table = output(&mut bench)?;
    println!("{table}");
    results::save(WASM_HEADING, &format!("{WASM_HOW}\n\n{table}"))
}

/// The benchmarks are a workspace of their own: nobody else waits for their dependencies.
fn manifest() -> &'static Path {
    Path::new("benches/peers/Cargo.toml")
}

const WASM_RECORDS: &str = "100000";
const WASM_HEADING: &str = "## In WebAssembly";
const WASM_HOW: &str = "\
Our own rows on a repository of 100k records, compiled as the Worker is. `cargo xtask peers wasm`;
the best of seven runs of at least 500 ms, in processor time of the whole process.";
