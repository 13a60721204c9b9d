//! The rules of the house that no compiler knows.

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

/// The root of the checkout.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What `program` prints, run at the root.
fn printed_by(program: impl Into<PathBuf>, arguments: &[&str]) -> String {
    let program = program.into();
    let run = Command::new(&program).args(arguments).current_dir(root()).output();
    let output = run.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("programs that we ask print text")
}

/// What cargo knows about a workspace and all that it depends on.
fn metadata(manifest: &str) -> Value {
    let cargo = env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
    let json = printed_by(cargo, &["metadata", "--format-version=1", "--manifest-path", manifest]);
    serde_json::from_str(&json).expect("cargo prints JSON")
}

/// The elements of a JSON array.
fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}
