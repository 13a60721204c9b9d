//! `cargo xtask test`: all checks and tests, the quickest first.

use core::time::Duration;
use std::path::PathBuf;
use std::time::Instant;

use crate::cargo::{self, cargo};
use crate::error::{Context, Error};
use crate::process::{self, command, say, succeeds};
use crate::wasm_toolchain::WasmToolchain;
use crate::{deny, fuzz, no_std_proof, node, paths, python, worker};

/// Runs the steps in order and stops at the first that fails.
///
/// The arguments are `--quick` and the names of steps; by default, all steps run.
pub(crate) fn run(mut args: Vec<String>) -> Result<(), Error> {
    let count = args.len();
    args.retain(|arg| arg != "--quick");
    let scope = if args.len() < count { Scope::Quick } else { Scope::Full };
    if let Some(unknown) = args.iter().find(|arg| STEPS.iter().all(|step| step.name != **arg)) {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        return Err(Error::new(format!(
            "unknown step \"{unknown}\"; the steps are {}",
            names.join(" ")
        )));
    }
    let steps = STEPS
        .iter()
        .filter(|step| step.scope == Scope::Quick || scope == Scope::Full)
        .filter(|step| args.is_empty() || args.iter().any(|arg| arg == step.name));
    let mut times = Vec::new();
    for step in steps {
        say(&format!("step {}: {}", step.name, step.description));
        let started = Instant::now();
        let outcome = (step.run)(scope);
        times.push((step.name, started.elapsed()));
        if outcome.is_err() {
            summarise(&times, 1);
            return outcome.context(format_args!("step {}", step.name));
        }
    }
    if times.is_empty() {
        return Err(Error::new("--quick skips all of the named steps; omit it to run them"));
    }
    summarise(&times, 0);
    Ok(())
}

/// The steps to run.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Scope {
    /// All steps.
    Full,
    /// A subset without a wasm compiler, fuzzing and audits, and with the native host only.
    Quick,
}

struct Step {
    /// The smallest scope that has this step.
    scope: Scope,
    name: &'static str,
    description: &'static str,
    run: Run,
}

type Run = fn(Scope) -> Result<(), Error>;

impl Step {
    const fn full(name: &'static str, description: &'static str, run: Run) -> Self {
        Self { scope: Scope::Full, name, description, run }
    }

    const fn quick(name: &'static str, description: &'static str, run: Run) -> Self {
        Self { scope: Scope::Quick, name, description, run }
    }
}

const STEPS: &[Step] = &[
    Step::quick("fmt", "formatting", format),
    Step::quick("rules", "house rules", rules),
    Step::quick("clippy", "lints", clippy),
    Step::full("clippy-wasm", "lints in the Worker", clippy_for_wasm),
    Step::quick("doc", "documentation warnings", documentation),
    Step::quick("tests", "unit and property tests", tests),
    Step::full("curves", "curve arithmetic with 32-bit words, as in the Worker", curves),
    Step::quick("doctests", "documentation examples", documentation_tests),
    Step::quick("benches", "one iteration of each benchmark", benchmarks),
    Step::full("fuzz", "two seconds of each fuzz target", |_| fuzz::smoke()),
    Step::quick("no-std", "the protocol crates link without std", |_| no_std_proof::link()),
    Step::full("no-std-wasm", "the protocol crates build for wasm", |_| no_std_proof::for_wasm()),
    Step::full("judge", "the event stream against another library's verifier", judge),
    Step::full("deny", "licences, bans, sources and advisories", |_| deny::run()),
    Step::full("worker", "the Worker, with and without test routes", worker),
    Step::quick("e2e", "third-party clients against the hosts", end_to_end),
];

fn format(_: Scope) -> Result<(), Error> {
    process::run(cargo().args(["fmt", "--all", "--check"]))?;
    let benches = ["peers", "validators", "wasm"];
    let benches = benches.map(|name| PathBuf::from(format!("benches/{name}/Cargo.toml")));
    let others = [no_std_proof::manifest(), fuzz::manifest(), PathBuf::from(JUDGE)];
    for manifest in others.into_iter().chain(benches) {
        process::run(cargo().args(["fmt", "--check", "--manifest-path"]).arg(manifest))?;
    }
    Ok(())
}

/// The house rules are tests of this package.
fn rules(_: Scope) -> Result<(), Error> {
    process::run(cargo().args(["test", "--package", "nacre-xtask"]))
}

fn clippy(scope: Scope) -> Result<(), Error> {
    process::run(cargo().args(["clippy", "--all-targets", "--all-features", "--", "-Dwarnings"]))?;
    if scope == Scope::Full {
        // Its dependencies compile for a minute, and only the step `worker` runs it.
        let bundler = ["clippy", "--package", "nacre-xtask-bundle", "--", "-Dwarnings"];
        process::run(cargo().args(bundler))?;
    }
    Ok(())
}

fn clippy_for_wasm(_: Scope) -> Result<(), Error> {
    let mut clippy = WasmToolchain::find_or_build()?.cargo("clippy")?;
    clippy.args(["--package", worker::PACKAGE, "--all-features", "--", "-Dwarnings"]);
    process::run(&mut clippy)
}

fn documentation(_: Scope) -> Result<(), Error> {
    let mut doc = cargo();
    doc.args(["doc", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-Dwarnings");
    process::run(&mut doc)
}

fn tests(_: Scope) -> Result<(), Error> {
    let nextest = succeeds(cargo().args(["nextest", "--version"]));
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    process::run(cargo().args(runner).args(["--all-features", "--lib", "--bins", "--tests"]))
}

/// The other test steps use 64-bit words and all features.
fn curves(_: Scope) -> Result<(), Error> {
    let mut test = cargo();
    test.args(["test", "--package", "nacre-crypto", "--lib", "--tests"]);
    process::run(test.env("RUSTFLAGS", "--cfg cpubits=\"32\""))
}

fn documentation_tests(_: Scope) -> Result<(), Error> {
    process::run(cargo().args(["test", "--doc", "--all-features"]))
}

/// Outside `cargo bench`, criterion runs each benchmark once without measuring it.
fn benchmarks(_: Scope) -> Result<(), Error> {
    process::run(cargo().args(["test", "--benches", "--all-features"]))
}

/// The judge is a separate workspace, because it has many dependencies.
fn judge(_: Scope) -> Result<(), Error> {
    let mut test = cargo();
    test.args(["test", "--locked", "--manifest-path", JUDGE]);
    process::run(test.env("CARGO_TARGET_DIR", cargo::target_folder()?.join("judge")))
}

fn worker(_: Scope) -> Result<(), Error> {
    worker::build(worker::Routes::Released)?;
    worker::build(worker::Routes::WithTests)?;
    Ok(())
}

/// Runs `npm test` in `e2e/`.
///
/// The tests read environment variables: `NACRE_E2E_HOSTS`, the names of the hosts to test;
/// `NACRE_PDS`, the program of the native host; `NACRE_XTASK`, this program, whose command `dev`
/// starts the other host; `NACRE_HISTORY` and `NACRE_JUDGE`, examples of the protocol crates;
/// `NACRE_PYTHONPATH`, the folder of Python packages.
fn end_to_end(scope: Scope) -> Result<(), Error> {
    // Builds this program too: an earlier step may have replaced it with another build.
    process::run(cargo().args([
        "build",
        "--package",
        "nacre-pds-cli",
        "--package",
        "nacre-xtask",
    ]))?;
    let judges = [("nacre-mst", "history"), ("nacre-lexicon", "judge")];
    for (package, example) in judges {
        process::run(cargo().args(["build", "--package", package, "--example", example]))?;
    }
    let e2e = paths::e2e();
    node::npm_ci(&e2e)?;
    let hosts = match scope {
        Scope::Full => "native workerd",
        Scope::Quick => "native",
    };
    let programs = cargo::target_folder()?.join("debug");
    let mut test = command("npm", &e2e);
    test.arg("test").env("PATH", node::path_with_node()?).env("NACRE_E2E_HOSTS", hosts);
    test.env("NACRE_PDS", programs.join("pds")).env("NACRE_XTASK", programs.join("xtask"));
    test.env("NACRE_PYTHONPATH", python::packages()?);
    test.env("NACRE_HISTORY", programs.join("examples/history"));
    test.env("NACRE_JUDGE", programs.join("examples/judge"));
    process::run(&mut test)
}

fn summarise(times: &[(&str, Duration)], failed: usize) {
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("\n{:<12} seconds", "step");
    for (name, time) in times.iter().chain([&("total", total)]) {
        println!("{name:<12} {:>7.1}", time.as_secs_f64());
    }
    println!("\nsteps: {} passed, {failed} failed", times.len() - failed);
}

const JUDGE: &str = "e2e/judge/Cargo.toml";
