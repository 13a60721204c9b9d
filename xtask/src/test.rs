//! `cargo xtask test`: every check of the project, in the order of what fails soonest.

use core::time::Duration;
use std::env;
use std::time::Instant;

use crate::error::{Context, Error};
use crate::process::{self, cargo, command, say, succeeds};
use crate::wasm_toolchain::WasmToolchain;
use crate::{deny, no_std_proof, node, paths, worker};

/// How much is tested.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Scope {
    /// All there is.
    Full,
    /// What needs neither a compiler for wasm nor a tool that must be fetched first.
    Quick,
}

/// Runs the steps one after another and stops at the first that fails.
pub(crate) fn run(scope: Scope) -> Result<(), Error> {
    let steps = STEPS.iter().filter(|step| step.scope == Scope::Quick || scope == Scope::Full);
    let mut done = Vec::new();
    for step in steps {
        say(&format!("step: {}", step.name));
        let started = Instant::now();
        let outcome = (step.run)(scope);
        done.push((step.name, started.elapsed()));
        if let Err(error) = outcome {
            summarise(&done, 1);
            return Err(error).context(format_args!("step `{}`", step.name));
        }
    }
    summarise(&done, 0);
    Ok(())
}

struct Step {
    name: &'static str,
    /// The smallest scope that has this step.
    scope: Scope,
    run: fn(Scope) -> Result<(), Error>,
}

/// Each row: what it is called, whether `--quick` has it, what it does.
const STEPS: &[Step] = &[
    Step { name: "format", scope: Scope::Quick, run: format },
    Step { name: "rules", scope: Scope::Quick, run: rules },
    Step { name: "clippy", scope: Scope::Quick, run: clippy },
    Step { name: "clippy for wasm", scope: Scope::Full, run: clippy_for_wasm },
    Step { name: "documentation", scope: Scope::Quick, run: documentation },
    Step { name: "tests", scope: Scope::Quick, run: tests },
    Step { name: "documentation tests", scope: Scope::Quick, run: documentation_tests },
    Step { name: "benchmarks, once each", scope: Scope::Quick, run: benchmarks },
    Step { name: "no_std proof", scope: Scope::Quick, run: |_| no_std_proof::link() },
    Step { name: "no_std crates on wasm", scope: Scope::Full, run: |_| no_std_proof::for_wasm() },
    Step { name: "audit of dependencies", scope: Scope::Full, run: |_| deny::run() },
    Step { name: "worker", scope: Scope::Full, run: worker },
    Step { name: "end to end", scope: Scope::Quick, run: end_to_end },
];

fn format(_: Scope) -> Result<(), Error> {
    process::run(cargo().args(["fmt", "--all", "--check"]))?;
    let manifest = no_std_proof::manifest();
    process::run(cargo().args(["fmt", "--check", "--manifest-path"]).arg(manifest))
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

fn documentation_tests(_: Scope) -> Result<(), Error> {
    process::run(cargo().args(["test", "--doc", "--all-features"]))
}

/// Outside of `cargo bench`, criterion runs each benchmark once and measures nothing.
fn benchmarks(_: Scope) -> Result<(), Error> {
    process::run(cargo().args(["test", "--benches", "--all-features"]))
}

fn worker(_: Scope) -> Result<(), Error> {
    worker::build(worker::Routes::Released)?;
    worker::build(worker::Routes::WithTests)?;
    Ok(())
}

/// Runs `npm test` in `e2e/`. What it needs to know is in the environment: `NACRE_E2E_HOSTS`, the
/// hosts to test; `NACRE_PDS`, the native host's program; `NACRE_XTASK`, this program, whose `dev`
/// starts the other.
fn end_to_end(scope: Scope) -> Result<(), Error> {
    process::run(cargo().args(["build", "--package", "nacre-pds-cli"]))?;
    let e2e = paths::e2e();
    node::npm_ci(&e2e)?;
    let hosts = if scope == Scope::Full { "native workerd" } else { "native" };
    let this = env::current_exe().context("cannot tell where this program lies")?;
    let mut test = command("npm", &e2e);
    test.arg("test").env("PATH", node::path_with_node()?).env("NACRE_E2E_HOSTS", hosts);
    test.env("NACRE_PDS", paths::target()?.join("debug/pds")).env("NACRE_XTASK", this);
    process::run(&mut test)
}

fn summarise(done: &[(&str, Duration)], failed: usize) {
    let total: Duration = done.iter().map(|(_, time)| *time).sum();
    println!("\n{:<24} seconds", "step");
    for (name, time) in done.iter().chain([&("all", total)]) {
        println!("{name:<24} {:>7.1}", time.as_secs_f64());
    }
    println!("\nsteps: {} passed, {failed} failed", done.len() - failed);
}
