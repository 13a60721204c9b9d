//! `cargo xtask worker`: builds the Worker.

use std::path::PathBuf;

use crate::cargo::cargo;
use crate::error::Error;
use crate::paths;
use crate::process;
use crate::wasm_toolchain::{self, TARGET, WasmToolchain};

/// The package of the Worker.
pub(crate) const PACKAGE: &str = "nacre-pds-worker";

/// The routes that a build of the Worker serves.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Routes {
    /// The routes of a PDS.
    Released,
    /// Routes for tests too. Such a build must not be deployed.
    WithTests,
}

/// Runs the command.
pub(crate) fn run(test_routes: bool) -> Result<(), Error> {
    build(if test_routes { Routes::WithTests } else { Routes::Released }).map(drop)
}

/// Builds the Worker and returns the folder of its modules: the entry point `shim.js`, `index.js`,
/// `index_bg.wasm` and `snippets`.
pub(crate) fn build(routes: Routes) -> Result<PathBuf, Error> {
    let mut build = WasmToolchain::find_or_build()?.cargo("build")?;
    build.args(["--package", PACKAGE, "--lib", "--profile", PROFILE]);
    if routes == Routes::WithTests {
        build.args(["--features", "test-routes"]);
    }
    process::run(&mut build)?;

    let module = format!("{TARGET}/{PROFILE}/{}.wasm", PACKAGE.replace('-', "_"));
    let package = paths::root().join("pds-worker");
    let folder = package.join(match routes {
        Routes::Released => "build",
        Routes::WithTests => "build-test",
    });
    // The bundler is a separate program, so that other commands do not compile its dependencies.
    let mut bundle = cargo();
    bundle.args(["run", "--package", "nacre-xtask-bundle", "--profile", "bundle", "--"]);
    bundle.arg(wasm_toolchain::target_folder()?.join(module));
    bundle.arg(package.join("src/shim.js")).arg(&folder);
    if routes == Routes::WithTests {
        bundle.arg("count-crossings");
    }
    process::run(&mut bundle)?;
    Ok(folder)
}

/// The Cargo profile of the Worker.
const PROFILE: &str = "worker";
