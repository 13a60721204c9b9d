//! The folders that xtask uses: the checkout and the cache.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Returns the root of the checkout.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask is a folder of the checkout")
}

/// Returns the folder for downloaded and generated tools. Checkouts may share it.
pub(crate) fn cache() -> Result<PathBuf, Error> {
    let base = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    base("NACRE_CACHE")
        .or_else(|| base("XDG_CACHE_HOME").map(|folder| folder.join("nacre")))
        .or_else(|| base("HOME").map(|folder| folder.join(".cache/nacre")))
        .ok_or_else(|| Error::new("HOME is not set; set NACRE_CACHE to a folder for tools"))
}

/// Returns the folder of the end-to-end tests.
pub(crate) fn e2e() -> PathBuf {
    root().join("e2e")
}

/// Returns the path of `program` if a folder in `PATH` contains it.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
