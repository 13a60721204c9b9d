//! The browser of the end-to-end tests.

use std::env;
use std::path::PathBuf;

use crate::error::Error;
use crate::paths;
use crate::process::{command, output, run, say};

/// Returns a Chromium: that of `NACRE_CHROMIUM`, or the machine's.
pub(crate) fn find() -> Option<PathBuf> {
    let chosen = env::var_os("NACRE_CHROMIUM").filter(|path| !path.is_empty()).map(PathBuf::from);
    chosen.or_else(|| NAMES.iter().find_map(|name| paths::on_path(name)))
}

/// Returns a Chromium, having installed Debian's where there is none and we are root.
///
/// # Errors
///
/// Where it is left to the user to install one.
pub(crate) fn find_or_install() -> Result<PathBuf, Error> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let missing = || Error::new("no Chromium: install it, or set NACRE_CHROMIUM to its path");
    let is_root = output(command("id", paths::root()).arg("-u")).is_ok_and(|id| id == "0");
    if !is_root || paths::on_path("apt-get").is_none() {
        return Err(missing());
    }
    say("installing Debian's chromium, which the end-to-end tests drive");
    let apt = |arguments: &[&str]| {
        let mut apt = command("apt-get", paths::root());
        apt.arg("-qq").args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut apt)
    };
    apt(&["update"])?;
    apt(&["install", "--yes", "--no-install-recommends", "chromium"])?;
    find().ok_or_else(missing)
}

/// What distributions and vendors call it.
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];
