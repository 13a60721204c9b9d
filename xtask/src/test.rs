//! `cargo xtask test`: every check of the project, in the order of what fails soonest.

use core::time::Duration;
use std::path::PathBuf;
use std::time::Instant;

use crate::error::{Context, Error};
use crate::process::{self, cargo, command, say, succeeds};
use crate::wasm_toolchain::WasmToolchain;
use crate::{deny, fuzz, no_std_proof, node, paths, python, worker};

/// Runs the steps one after another and stops at the first that fails. The arguments are
/// `--quick` and the names of steps, should it be only those.
pub(crate) fn run(mut args: Vec<String>) -> Result<(), Error> {
    let count = args.len();
    args.retain(|arg| arg != "--quick");
    let scope = if args.len() < count { Scope::Quick } else { Scope::Full };
    if let Some(unknown) = args.iter().find(|arg| STEPS.iter().all(|step| step.name != **arg)) {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        return Err(Error::new(format!("there is no step `{unknown}`, only {}", names.join(" "))));
    }
    let steps = STEPS
        .iter()
        .filter(|step| step.scope == Scope::Quick || scope == Scope::Full)
        .filter(|step| args.is_empty() || args.iter().any(|arg| arg == step.name));
    let mut times = Vec::new();
    for step in steps {
        say(&format!("step {}: {}", step.name, step.does));
        let started = Instant::now();
        let outcome = (step.run)(scope);
        times.push((step.name, started.elapsed()));
        if outcome.is_err() {
            summarise(&times, 1);
            return outcome.context(format_args!("step {}", step.name));
        }
    }
    if times.is_empty() {
        return Err(Error::new("--quick leaves out the steps that were named"));
    }
    summarise(&times, 0);
    Ok(())
}

/// How much is tested.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Scope {
    /// All there is.
    Full,
    /// What needs neither a compiler for wasm nor a tool that must be fetched first.
    Quick,
}

struct Step {
    /// The smallest scope that has this step.
    scope: Scope,
    name: &'static str,
    does: &'static str,
    run: Run,
}

type Run = fn(Scope) -> Result<(), Error>;

impl Step {
    const fn full(name: &'static str, does: &'static str, run: Run) -> Self {
        Self { scope: Scope::Full, name, does, run }
    }

    const fn quick(name: &'static str, does: &'static str, run: Run) -> Self {
        Self { scope: Scope::Quick, name, does, run }
    }
}

const STEPS: &[Step] = &[
    Step::quick("fmt", "the format of all sources", format),
    Step::quick("rules", "the rules of the house", rules),
    Step::quick("clippy", "lints", clippy),
    Step::full("clippy-wasm", "lints of the Worker", clippy_for_wasm),
    Step::quick("doc", "documentation without a warning", documentation),
    Step::quick("tests", "unit and property tests", tests),
    Step::full("curves", "the curves, with the words that the Worker has them use", curves),
    Step::quick("doctests", "the examples in the documentation", documentation_tests),
    Step::quick("benches", "every benchmark, once", benchmarks),
    Step::full("fuzz", "every fuzz target, for a moment", |_| fuzz::smoke()),
    Step::quick("no-std", "the protocol crates link without std", |_| no_std_proof::link()),
    Step::full("no-std-wasm", "they build for wasm", |_| no_std_proof::for_wasm()),
    Step::full("judge", "another library's verifier follows the event stream", judge),
    Step::full("deny", "licences, bans, sources and advisories", |_| deny::run()),
    Step::full("worker", "the Worker, as released and for tests", worker),
    Step::quick("e2e", "other people's clients against the hosts", end_to_end),
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

/// The rules of the house that no compiler knows are tests of this package.
fn rules(_: Scope) -> Result<(), Error> {
    process::run(cargo().args(["test", "--package", "nacre-xtask"]))
}

fn clippy(scope: Scope) -> Result<(), Error> {
    process::run(cargo().args(["clippy", "--all-targets", "--all-features", "--", "-Dwarnings"]))?;
    if scope == Scope::Full {
        // Its dependencies take a minute, and only the step that builds the Worker runs it.
        let bundler = ["clippy", "--package", "nacre-xtask-bundle", "--", "-Dwarnings"];
        process::run(cargo().args(bundler))?;
    }
    Ok(())
}

fn clippy_for_wasm(_: Scope) -> Result<(), Error> {
    let mut clippy = WasmToolchain::find_or_make()?.cargo("clippy")?;
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

/// Elsewhere the tests run with words of 64 bits and with every feature.
fn curves(_: Scope) -> Result<(), Error> {
    let mut test = cargo();
    test.args(["test", "--package", "nacre-crypto", "--lib", "--tests"]);
    process::run(test.env("RUSTFLAGS", "--cfg cpubits=\"32\""))
}

fn documentation_tests(_: Scope) -> Result<(), Error> {
    process::run(cargo().args(["test", "--doc", "--all-features"]))
}

/// Outside of `cargo bench`, criterion runs each benchmark once and measures nothing.
fn benchmarks(_: Scope) -> Result<(), Error> {
    process::run(cargo().args(["test", "--benches", "--all-features"]))
}

/// A workspace of its own, whose many dependencies do not mix with ours.
fn judge(_: Scope) -> Result<(), Error> {
    let mut test = cargo();
    test.args(["test", "--locked", "--manifest-path", JUDGE]);
    process::run(test.env("CARGO_TARGET_DIR", paths::target()?.join("judge")))
}

fn worker(_: Scope) -> Result<(), Error> {
    worker::build(worker::Routes::Released)?;
    worker::build(worker::Routes::WithTests)?;
    Ok(())
}

/// Runs `npm test` in `e2e/`. What the tests need to know is in the environment:
/// `NACRE_E2E_HOSTS`, the hosts to test, one word each; `NACRE_PDS`, the native host's program;
/// `NACRE_XTASK`, this program, whose `dev` starts the other host; `NACRE_HISTORY` and
/// `NACRE_JUDGE`, examples of the protocol crates; `NACRE_PYTHONPATH`, packages of Python.
fn end_to_end(scope: Scope) -> Result<(), Error> {
    // This program too: a step before may have put another build of it where it was started from.
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
    let programs = paths::target()?.join("debug");
    let mut test = command("npm", &e2e);
    test.arg("test").env("PATH", node::path_with_node()?).env("NACRE_E2E_HOSTS", hosts);
    test.env("NACRE_PDS", programs.join("pds")).env("NACRE_XTASK", programs.join("xtask"));
    test.env("NACRE_PYTHONPATH", python::packages()?);
    test.env("NACRE_HISTORY", programs.join("examples/history"));
    test.env("NACRE_JUDGE", programs.join("examples/judge"));
    process::run(&mut test)
}

fn summarise(times: &[(&str, Duration)], failed: usize) {
    let all: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("\n{:<12} seconds", "step");
    for (name, time) in times.iter().chain([&("all", all)]) {
        println!("{name:<12} {:>7.1}", time.as_secs_f64());
    }
    println!("\nsteps: {} passed, {failed} failed", times.len() - failed);
}

const JUDGE: &str = "e2e/judge/Cargo.toml";
