//! Python packages, a folder for each set.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error};
use crate::paths;
use crate::process::{command, output, run, say};

/// Installs packages into `folder`. The file at `requirements` pins them by their digests.
pub(crate) fn pip_install(requirements: &Path, folder: &Path) -> Result<(), Error> {
    let mut pip = command("python3", paths::root());
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--upgrade"]);
    pip.args(["--disable-pip-version-check", "--root-user-action=ignore", "--require-hashes"]);
    run(pip.arg("--requirement").arg(requirements).arg("--target").arg(folder))
}

/// Returns the folder with the packages for the end-to-end tests, for `PYTHONPATH`.
pub(crate) fn packages() -> Result<PathBuf, Error> {
    let requirements = paths::e2e().join("requirements.txt");
    let wanted =
        fs::read(&requirements).context(format_args!("cannot read {}", requirements.display()))?;
    let version = output(command("python3", paths::root()).arg("--version"))
        .context("the end-to-end tests need Python 3.11 or newer")?;
    let folder = paths::cache()?.join(version.to_ascii_lowercase().replace(' ', "-"));
    let installed = folder.join(".nacre-requirements.txt");
    if fs::read(&installed).is_ok_and(|there| there == wanted) {
        return Ok(folder);
    }
    say(&format!("installing Python packages into {}", folder.display()));
    pip_install(&requirements, &folder)?;
    fs::write(&installed, wanted).context(format_args!("cannot write {}", installed.display()))?;
    Ok(folder)
}
