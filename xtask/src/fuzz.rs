//! `cargo xtask fuzz`: runs the fuzz targets, on the stable compiler.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::error::{Context, Error};
use crate::paths;
use crate::process::{cargo, output, run as start, say};

/// Runs targets for some time each and stops at the first that finds something. The arguments are
/// the number of seconds and the names of targets, should it be only those.
pub(crate) fn run(mut args: Vec<String>) -> Result<(), Error> {
    let seconds = match args.first().and_then(|arg| arg.parse().ok()) {
        Some(seconds) => {
            args.remove(0);
            seconds
        }
        None => SECONDS,
    };
    fuzz(seconds, &args)
}

/// Runs each target so briefly that only a broken one is found.
pub(crate) fn smoke() -> Result<(), Error> {
    fuzz(2, &[])
}

/// Returns the manifest of the targets; it lies outside the workspace.
pub(crate) fn manifest() -> PathBuf {
    paths::root().join("fuzz/Cargo.toml")
}

fn fuzz(seconds: u32, only: &[String]) -> Result<(), Error> {
    // What is fuzzed must be what we ship: the targets, a workspace of their own, take our
    // versions.
    let ours = paths::root().join("Cargo.lock");
    fs::copy(ours, manifest().with_file_name("Cargo.lock")).context("cannot copy Cargo.lock")?;
    let targets = targets()?;
    if let Some(unknown) = only.iter().find(|name| !targets.contains(name)) {
        let names = targets.join(" ");
        return Err(Error::new(format!("there is no target `{unknown}`, only {names}")));
    }
    let folder = paths::target()?.join("fuzz");
    let seeds = folder.join("seeds");
    start(from_manifest("run")?.args(["--example", "seeds", "--"]).arg(&seeds))?;
    start(&mut for_coverage("build")?)?;
    for target in targets.iter().filter(|name| only.is_empty() || only.contains(name)) {
        say(&format!("target {target}, {seconds} seconds"));
        let corpus = folder.join("corpus").join(target);
        let found = folder.join("found").join(target);
        for folder in [&corpus, &found] {
            fs::create_dir_all(folder).context(format_args!("cannot make {}", folder.display()))?;
        }
        let mut fuzz = for_coverage("run")?;
        fuzz.args(["--quiet", "--bin", target, "--"]).arg(corpus).arg(seeds.join(target));
        fuzz.arg(format!("-max_total_time={seconds}"));
        fuzz.arg(format!("-artifact_prefix={}/", found.display()));
        let told = fuzz.args(LIMITS).output().context("cannot start the target")?;
        let log = String::from_utf8_lossy(&told.stderr);
        if !told.status.success() {
            let found = found.display();
            return Err(Error::new(format!("{log}\n{target}: the input is in {found}")));
        }
        let runs =
            log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        say(&format!("{target}: {} runs", runs.unwrap_or_default().trim()));
    }
    Ok(())
}

/// Returns the names of all targets.
fn targets() -> Result<Vec<String>, Error> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]);
    let metadata = output(metadata.arg(manifest()))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cannot read the metadata")?;
    let all = metadata["packages"][0]["targets"].as_array().into_iter().flatten();
    let programs = all.filter(|target| target["kind"][0] == "bin");
    Ok(programs.filter_map(|target| target["name"].as_str()).map(str::to_owned).collect())
}

/// Returns a call of cargo for the package of the targets.
fn from_manifest(command: &str) -> Result<Command, Error> {
    let mut cargo = cargo();
    cargo.args([command, "--release", "--manifest-path"]).arg(manifest());
    cargo.env("CARGO_TARGET_DIR", paths::target()?.join("fuzz"));
    Ok(cargo)
}

/// The same, so that what is built tells the fuzzer where it has been. With a target named the
/// flags are not for build scripts.
fn for_coverage(command: &str) -> Result<Command, Error> {
    let mut cargo = from_manifest(command)?;
    cargo.args(["--target", "host-tuple"]).env("RUSTFLAGS", COVERAGE.join(" "));
    Ok(cargo)
}

/// For how long a target runs if nothing is said.
const SECONDS: u32 = 60;

/// What one input may take: seconds, and MiB. The last is for the number of runs.
const LIMITS: [&str; 3] = ["-timeout=25", "-rss_limit_mb=2048", "-print_final_stats=1"];

/// What `cargo fuzz` passes too, but for the sanitizer, which is not for the stable compiler.
const COVERAGE: &[&str] = &[
    "--cfg=fuzzing",
    "-Ccodegen-units=1",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];
