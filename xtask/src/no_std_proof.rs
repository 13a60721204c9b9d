//! Proves that the protocol crates do not need the standard library.

use std::fs;
use std::path::PathBuf;

use crate::cargo::{self, cargo};
use crate::error::{Context, Error};
use crate::paths;
use crate::process::run;
use crate::wasm_toolchain::WasmToolchain;

/// Links the protocol crates into a library with its own panic handler.
///
/// If a dependency enables `std`, there are two panic handlers, which is error E0152.
pub(crate) fn link() -> Result<(), Error> {
    let manifest = manifest();
    // The proof is a separate workspace. It must link the versions that are released.
    let lock = paths::root().join("Cargo.lock");
    fs::copy(lock, manifest.with_file_name("Cargo.lock")).context("cannot copy Cargo.lock")?;
    let folder = cargo::target_folder()?.join("no-std-proof");
    let mut build = cargo();
    build.arg("build").arg("--manifest-path").arg(manifest).env("CARGO_TARGET_DIR", folder);
    run(&mut build).context("a protocol crate or one of its dependencies needs std")
}

/// Builds each protocol crate for a target without an operating system.
pub(crate) fn for_wasm() -> Result<(), Error> {
    let metadata = cargo::metadata(&manifest())?;
    let proved = metadata["packages"][0]["dependencies"].as_array().into_iter().flatten();

    let mut build = WasmToolchain::find_or_build()?.cargo("build")?;
    for package in proved.filter_map(|dependency| dependency["name"].as_str()) {
        build.args(["--package", package]);
    }
    run(&mut build)
}

/// Returns the manifest of the library, which is not in the workspace.
pub(crate) fn manifest() -> PathBuf {
    paths::root().join("xtask/no-std-proof/Cargo.toml")
}
