//! Where things lie: the checkout, the build directory, the cache.

use std::env;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Context, Error};
use crate::process;

/// Returns the root of the checkout.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask lies in the root of the checkout")
}

/// Returns cargo's target directory, wherever the user has put it.
pub(crate) fn target() -> Result<PathBuf, Error> {
    let mut metadata = process::cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&process::output(&mut metadata)?)
        .context("cannot read the metadata")?;
    let directory = metadata["target_directory"].as_str();
    directory.map(PathBuf::from).ok_or_else(|| Error::new("cargo names no target directory"))
}

/// Returns the folder in which tools made once are kept, which any checkout may share.
pub(crate) fn cache() -> Result<PathBuf, Error> {
    let base = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    base("NACRE_CACHE")
        .or_else(|| base("XDG_CACHE_HOME").map(|folder| folder.join("nacre")))
        .or_else(|| base("HOME").map(|folder| folder.join(".cache/nacre")))
        .ok_or_else(|| Error::new("no home folder: set NACRE_CACHE to a folder for tools"))
}

/// Returns the folder of the tests that drive the hosts from outside.
pub(crate) fn e2e() -> PathBuf {
    root().join("e2e")
}

/// Returns where `program` lies on `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
