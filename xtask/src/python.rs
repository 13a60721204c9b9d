//! Packages of Python, each set of them in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error};
use crate::paths;
use crate::process::{command, output, run, say};

/// Installs the packages that the file at `requirements` pins by their digests into `folder`.
pub(crate) fn pip_install(requirements: &Path, folder: &Path) -> Result<(), Error> {
    let mut pip = command("python3", paths::root());
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--upgrade"]);
    pip.args(["--disable-pip-version-check", "--root-user-action=ignore", "--require-hashes"]);
    run(pip.arg("--requirement").arg(requirements).arg("--target").arg(folder))
}

/// Returns the folder with the packages that tests need, for `PYTHONPATH`.
pub(crate) fn packages() -> Result<PathBuf, Error> {
    let requirements = paths::e2e().join("requirements.txt");
    let wanted =
        fs::read(&requirements).context(format_args!("cannot read {}", requirements.display()))?;
    let version = output(command("python3", paths::root()).arg("--version"))
        .context("Python 3.11 or newer is needed for a consumer that is written in it")?;
    let folder = paths::cache()?.join(version.to_ascii_lowercase().replace(' ', "-"));
    let installed = folder.join(".nacre-requirements.txt");
    if fs::read(&installed).is_ok_and(|there| there == wanted) {
        return Ok(folder);
    }
    say(&format!("installing packages of Python into {}", folder.display()));
    pip_install(&requirements, &folder)?;
    fs::write(&installed, wanted).context(format_args!("cannot write {}", installed.display()))?;
    Ok(folder)
}
