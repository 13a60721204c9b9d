//! Node.js and npm packages.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error};
use crate::paths;
use crate::process::{command, output, run, succeeds};

/// Returns a Node.js that is new enough for Cloudflare's tools.
///
/// The one on `PATH` is preferred to the one that [`npm_ci`] installs into `e2e/node_modules`.
pub(crate) fn node() -> Result<PathBuf, Error> {
    let local = paths::e2e().join("node_modules/node/bin/node");
    let installed = paths::on_path("node");
    let mut candidates = installed.into_iter().chain([local]);
    candidates.find(|node| major_version(node).is_some_and(|major| major >= MIN_MAJOR)).ok_or_else(
        || {
            Error::new(format!(
                "no Node.js {MIN_MAJOR} or newer found; install it, or run `npm ci` in e2e/"
            ))
        },
    )
}

/// Returns `PATH` with the folder of [`node`] first, so that package scripts find it.
pub(crate) fn path_with_node() -> Result<OsString, Error> {
    let node = node()?;
    let own = node.parent().map(Path::to_path_buf);
    let inherited = env::var_os("PATH").unwrap_or_default();
    env::join_paths(own.into_iter().chain(env::split_paths(&inherited)))
        .context("cannot add the folder of Node.js to PATH")
}

/// Installs the packages in `folder`'s lock file, unless they are installed already.
pub(crate) fn npm_ci(folder: &Path) -> Result<(), Error> {
    let lock_file = folder.join("package-lock.json");
    let wanted =
        fs::read(&lock_file).context(format_args!("cannot read {}", lock_file.display()))?;
    let installed = folder.join("node_modules/.nacre-lock.json");
    if fs::read(&installed).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    if !succeeds(command("npm", folder).arg("--version")) {
        return Err(Error::new("npm is not installed; install Node.js, which includes it"));
    }
    run(command("npm", folder).args(["ci", "--no-audit", "--no-fund"]))?;
    fs::write(&installed, wanted).context(format_args!("cannot write {}", installed.display()))
}

fn major_version(node: &Path) -> Option<u32> {
    let version = output(command(node, paths::root()).arg("--version")).ok()?;
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// The oldest major version that wrangler and Miniflare support.
const MIN_MAJOR: u32 = 22;
