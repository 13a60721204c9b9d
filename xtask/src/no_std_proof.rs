//! Proves that the protocol crates need no standard library.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::error::{Context, Error};
use crate::paths;
use crate::process::{cargo, output, run};
use crate::wasm_toolchain::WasmToolchain;

/// Links them into a library that has a panic handler of its own. With a dependency that
/// turns the standard library on there are two handlers, which is error E0152.
pub(crate) fn link() -> Result<(), Error> {
    let manifest = manifest();
    // What is proved must be what we ship: the proof, a workspace of its own, takes our versions.
    let ours = paths::root().join("Cargo.lock");
    fs::copy(ours, manifest.with_file_name("Cargo.lock")).context("cannot copy Cargo.lock")?;
    let folder = paths::target()?.join("no-std-proof");
    let mut build = cargo();
    build.arg("build").arg("--manifest-path").arg(manifest).env("CARGO_TARGET_DIR", folder);
    run(&mut build).context("a protocol crate, or a dependency of one, needs std")
}

/// Builds each of them for a target without an operating system.
pub(crate) fn for_wasm() -> Result<(), Error> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]);
    let metadata = output(metadata.arg(manifest()))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cannot read the metadata")?;
    let proved = metadata["packages"][0]["dependencies"].as_array().into_iter().flatten();

    let mut build = WasmToolchain::find_or_make()?.cargo("build")?;
    for package in proved.filter_map(|dependency| dependency["name"].as_str()) {
        build.args(["--package", package]);
    }
    run(&mut build)
}

/// Returns the manifest of the library; it lies outside the workspace.
pub(crate) fn manifest() -> PathBuf {
    paths::root().join("xtask/no-std-proof/Cargo.toml")
}
