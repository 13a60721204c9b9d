//! `cargo xtask peers`: benchmarks the protocol crates and comparable libraries.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cargo::{self, cargo};
use crate::error::{Context, Error};
use crate::process::{command, output, run as start, say};
use crate::wasm_toolchain::{self, TARGET, WasmToolchain};
use crate::{lexicons, node, paths, results};

/// Builds the benchmarks and passes them the arguments of the command line.
///
/// The argument `wasm` benchmarks the protocol crates in WebAssembly instead.
pub(crate) fn run(args: &[String]) -> Result<(), Error> {
    match args {
        [only] if only == "wasm" => in_wasm(),
        _ => native(args),
    }
}

fn native(args: &[String]) -> Result<(), Error> {
    // Cargo unifies features. Those that other libraries turn on must not reach the protocol crates
    // or the library that they are compared with, so these two are built into a separate program.
    let ours = build("nacre-peers-ours", &["--no-default-features"])?;
    let all = build("nacre-peers-all", &[])?;
    let mut table = command(&all, paths::root());
    table.arg("table").arg("--ours").arg(ours);
    table.arg("--save").arg(results::file()).args(args);
    // Libraries with their own schema format compile these documents.
    table.env("NACRE_LEXICONS", lexicons::folder()?);
    start(&mut table)
}

/// Builds the benchmarks and copies the program to `name`, since each build overwrites the last.
fn build(name: &str, options: &[&str]) -> Result<PathBuf, Error> {
    let folder = cargo::target_folder()?.join("peers");
    let mut build = cargo();
    build.args(["build", "--release", "--manifest-path"]).arg(manifest());
    start(build.args(options).env("CARGO_TARGET_DIR", &folder))?;
    let program = folder.join(name);
    fs::copy(folder.join("release/nacre-peers"), &program)
        .context(format_args!("cannot create {}", program.display()))?;
    Ok(program)
}

/// Benchmarks the protocol crates in Node and workerd.
fn in_wasm() -> Result<(), Error> {
    let mut build = WasmToolchain::find_or_build()?.cargo("build")?;
    start(build.args(["--release", "--manifest-path", "benches/wasm/Cargo.toml"]))?;
    node::npm_ci(&paths::e2e())?;
    let module = format!("{TARGET}/release/nacre_bench_wasm.wasm");
    let mut bench = command(node::node()?, paths::root());
    // On a busy machine, V8 may replace the code of its baseline compiler too late.
    bench
        .args(["--no-liftoff", "benches/wasm/bench.mjs"])
        .arg(wasm_toolchain::target_folder()?.join(module));
    bench.arg(WASM_RECORDS).arg(paths::e2e().join("node_modules/workerd/bin/workerd"));
    say("benchmarking in Node and workerd");
    let table = output(&mut bench)?;
    println!("{table}");
    results::save(WASM_HEADING, &format!("{WASM_HOW}\n\n{table}"))
}

/// The benchmarks are a separate workspace, so that other builds do not compile their dependencies.
fn manifest() -> &'static Path {
    Path::new("benches/peers/Cargo.toml")
}

const WASM_RECORDS: &str = "100000";
const WASM_HEADING: &str = "## In WebAssembly";
const WASM_HOW: &str = "\
Our rows on a repository of 100k records, compiled like the Worker. `cargo xtask peers wasm`; the
best of seven runs of at least 500 ms, in processor time of the whole process.";
