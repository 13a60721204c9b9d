//! Running cargo.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::error::{Context, Error};
use crate::paths;
use crate::process::{command, output};

/// Returns a call of the cargo that runs this program, at the root of the checkout.
pub(crate) fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), paths::root())
}

/// Returns cargo's target folder, wherever the user has put it.
pub(crate) fn target_folder() -> Result<PathBuf, Error> {
    let metadata = metadata(Path::new("Cargo.toml"))?;
    let folder = metadata["target_directory"].as_str();
    folder.map(PathBuf::from).ok_or_else(|| Error::new("cargo reports no target folder"))
}

/// Returns the metadata of the workspace at `manifest`, without its dependencies.
pub(crate) fn metadata(manifest: &Path) -> Result<Value, Error> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]);
    let json = output(metadata.arg(manifest))?;
    serde_json::from_str(&json).context("cannot read cargo's metadata")
}
