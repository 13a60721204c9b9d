//! `cargo xtask worker`: builds what Cloudflare loads.

use std::path::PathBuf;

use crate::error::Error;
use crate::paths;
use crate::process::{self, cargo};
use crate::wasm_toolchain::{self, TARGET, WasmToolchain};

/// The package that becomes the Worker.
pub(crate) const PACKAGE: &str = "nacre-pds-worker";

/// Which routes a build of the Worker answers.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Routes {
    /// Those of a PDS.
    Released,
    /// Those of tests too; such a build is never deployed.
    WithTests,
}

/// Builds the Worker as the command line asks.
pub(crate) fn run(test_routes: bool) -> Result<(), Error> {
    build(if test_routes { Routes::WithTests } else { Routes::Released }).map(drop)
}

/// Builds the Worker and returns the folder of its modules: `shim.js`, which is the entry,
/// `index.js`, `index_bg.wasm` and `snippets`.
pub(crate) fn build(routes: Routes) -> Result<PathBuf, Error> {
    let mut build = WasmToolchain::find_or_make()?.cargo("build")?;
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
    // The bundler is a program of its own so that nobody else waits for its dependencies.
    let mut bundle = cargo();
    bundle.args(["run", "--package", "nacre-xtask-bundle", "--profile", "bundle", "--"]);
    bundle.arg(wasm_toolchain::target_folder()?.join(module));
    process::run(bundle.arg(package.join("src/shim.js")).arg(&folder))?;
    Ok(folder)
}

/// The profile of the workspace for what Cloudflare loads.
const PROFILE: &str = "worker";
