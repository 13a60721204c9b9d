//! `cargo xtask fuzz`: runs the fuzz targets on the stable compiler.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::cargo::{self, cargo};
use crate::error::{Context, Error};
use crate::paths;
use crate::process::{run as start, say};

/// Runs targets in order and stops at the first that fails.
///
/// The arguments are the number of seconds for each target, and the names of targets; by default,
/// all of them run.
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

/// Runs each target for two seconds, to find broken targets.
pub(crate) fn smoke() -> Result<(), Error> {
    fuzz(2, &[])
}

/// Returns the manifest of the targets, which is not in the workspace.
pub(crate) fn manifest() -> PathBuf {
    paths::root().join("fuzz/Cargo.toml")
}

fn fuzz(seconds: u32, only: &[String]) -> Result<(), Error> {
    // The targets are a separate workspace. They must fuzz the versions that are released.
    let lock = paths::root().join("Cargo.lock");
    fs::copy(lock, manifest().with_file_name("Cargo.lock")).context("cannot copy Cargo.lock")?;
    let targets = targets()?;
    if let Some(unknown) = only.iter().find(|name| !targets.contains(name)) {
        let names = targets.join(" ");
        return Err(Error::new(format!(
            "unknown fuzz target \"{unknown}\"; the targets are {names}"
        )));
    }
    let folder = cargo::target_folder()?.join("fuzz");
    let seeds = folder.join("seeds");
    start(cargo_for_targets("run")?.args(["--example", "seeds", "--"]).arg(&seeds))?;
    start(&mut cargo_with_coverage("build")?)?;
    for target in targets.iter().filter(|name| only.is_empty() || only.contains(name)) {
        say(&format!("fuzzing {target} for {seconds} seconds"));
        let corpus = folder.join("corpus").join(target);
        let found = folder.join("found").join(target);
        for folder in [&corpus, &found] {
            fs::create_dir_all(folder)
                .context(format_args!("cannot create {}", folder.display()))?;
        }
        let mut fuzz = cargo_with_coverage("run")?;
        fuzz.args(["--quiet", "--bin", target, "--"]).arg(corpus).arg(seeds.join(target));
        fuzz.arg(format!("-max_total_time={seconds}"));
        fuzz.arg(format!("-artifact_prefix={}/", found.display()));
        let run = fuzz.args(LIMITS).output();
        let run = run.context(format_args!("cannot start {target}"))?;
        let log = String::from_utf8_lossy(&run.stderr);
        if !run.status.success() {
            let found = found.display();
            return Err(Error::new(format!("{log}\n{target} failed; the input is in {found}")));
        }
        let runs =
            log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        say(&format!("{target}: {} runs", runs.unwrap_or_default().trim()));
    }
    Ok(())
}

/// Returns the names of all targets.
fn targets() -> Result<Vec<String>, Error> {
    let metadata = cargo::metadata(&manifest())?;
    let all = metadata["packages"][0]["targets"].as_array().into_iter().flatten();
    let programs = all.filter(|target| target["kind"][0] == "bin");
    Ok(programs.filter_map(|target| target["name"].as_str()).map(str::to_owned).collect())
}

/// Returns a call of cargo for the package of the targets.
fn cargo_for_targets(command: &str) -> Result<Command, Error> {
    let mut cargo = cargo();
    cargo.args([command, "--release", "--manifest-path"]).arg(manifest());
    cargo.env("CARGO_TARGET_DIR", cargo::target_folder()?.join("fuzz"));
    Ok(cargo)
}

/// Like [`cargo_for_targets`], with coverage instrumentation. Naming a compilation target keeps
/// the flags from build scripts.
fn cargo_with_coverage(command: &str) -> Result<Command, Error> {
    let mut cargo = cargo_for_targets(command)?;
    cargo.args(["--target", "host-tuple"]).env("RUSTFLAGS", COVERAGE.join(" "));
    Ok(cargo)
}

/// The default time for each target.
const SECONDS: u32 = 60;

/// Limits for one input, in seconds and MiB, and a request for the number of runs.
const LIMITS: [&str; 3] = ["-timeout=25", "-rss_limit_mb=2048", "-print_final_stats=1"];

/// The flags of `cargo fuzz`, without the sanitizer, which the stable compiler does not have.
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
