//! House rules that the compiler and clippy do not check.

extern crate alloc;

mod crates;
mod modules;
mod pins;
mod table;
mod tidy;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Returns the root of the checkout.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the checkout")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs `program` at the root of the checkout and returns its standard output.
fn output_of(program: impl Into<PathBuf>, arguments: &[&str]) -> String {
    let program = program.into();
    let run = Command::new(&program).args(arguments).current_dir(root()).output();
    let output = run.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

/// Returns cargo's metadata of a workspace and its dependencies.
fn metadata(manifest: &str) -> Value {
    let cargo = env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
    let json = output_of(cargo, &["metadata", "--format-version=1", "--manifest-path", manifest]);
    serde_json::from_str(&json).expect("cargo prints JSON")
}

/// Returns the elements of a JSON array.
fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}"))
}
