//! Debian packages, unpacked into a folder. Nothing is installed, and root is not needed.

use alloc::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error};
use crate::paths;
use crate::process::{command, output, say, succeeds};

/// The package archive that the machine's apt is configured for.
///
/// It has its own package lists: those of the machine may be stale or absent, and only root may
/// update them.
pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Fetches the package lists into `folder`.
    ///
    /// # Errors
    ///
    /// If the machine has no apt or cannot reach the archive.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        for program in ["apt-get", "dpkg"] {
            if paths::on_path(program).is_none() {
                return Err(Error::new(format!("{program} is not installed")));
            }
        }
        for needed in ["state/lists/partial", "cache/archives/partial", "debs"] {
            let needed = folder.join(needed);
            fs::create_dir_all(&needed)
                .context(format_args!("cannot create {}", needed.display()))?;
        }
        let archive = Self { folder: folder.to_path_buf() };
        say("fetching the Debian package lists");
        output(archive.apt("apt-get").args(["-qq", "update"]))?;
        Ok(archive)
    }

    /// Returns the newest of `packages`, as its name and version.
    pub(crate) fn newest<'a>(&self, packages: &[&'a str]) -> Option<(&'a str, String)> {
        let known = packages.iter().filter_map(|name| Some((*name, self.candidate(name)?)));
        known.reduce(|best, next| if at_least(&next.1, &best.1) { next } else { best })
    }

    /// Returns whether the archive has `name=version`.
    pub(crate) fn has(&self, package: &str) -> bool {
        succeeds(self.apt("apt-cache").args(["show", package]))
    }

    /// Returns the names of the packages that `name=version` depends on.
    pub(crate) fn dependencies(&self, package: &str) -> Result<Vec<String>, Error> {
        let record = output(self.apt("apt-cache").args(["show", package]))?;
        let list = record.lines().find_map(|line| line.strip_prefix("Depends: "));
        let names = list.into_iter().flat_map(|list| list.split(", "));
        Ok(names.filter_map(|entry| entry.split([' ', ':']).next()).map(str::to_owned).collect())
    }

    /// Unpacks `packages`, and those of their dependencies that are not installed, into `root`.
    pub(crate) fn unpack(&self, packages: &[String], root: &Path) -> Result<(), Error> {
        let debs = self.folder.join("debs");
        let files = self.with_dependencies(packages)?;
        say(&format!("downloading {}", files.join(" ")));
        let mut download = self.apt("apt-get");
        output(download.current_dir(&debs).args(["-qq", "download"]).args(files))?;
        let entries = fs::read_dir(&debs).context("cannot list the packages")?;
        for entry in entries {
            let package = entry.context("cannot list the packages")?.path();
            output(command("dpkg", &self.folder).arg("-x").args([package.as_path(), root]))?;
            fs::remove_file(&package).context("cannot remove a package")?;
        }
        Ok(())
    }

    fn candidate(&self, package: &str) -> Option<String> {
        let policy = output(self.apt("apt-cache").args(["policy", package])).ok()?;
        let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
        (version != "(none)").then(|| version.to_owned())
    }

    /// Adds the dependencies that apt would install to `packages`.
    ///
    /// Apt's list leaves out packages that are installed already. `packages` stay in it anyway,
    /// because their files are needed in the folder.
    fn with_dependencies(&self, packages: &[String]) -> Result<Vec<String>, Error> {
        let mut install = self.apt("apt-get");
        install.args(["install", "-qq", "--yes", "--no-install-recommends", "--print-uris"]);
        let listing = output(install.args(packages))?;
        let named = packages.iter().map(|package| match package.split_once('=') {
            Some((name, version)) => (name, format!("={version}")),
            None => (package.as_str(), String::new()),
        });
        let mut all: BTreeMap<_, _> = named.collect();
        all.extend(listing.lines().filter_map(listed));
        Ok(all.into_iter().map(|(name, version)| format!("{name}{version}")).collect())
    }

    fn apt(&self, program: &str) -> Command {
        let mut apt = command(program, &self.folder);
        let option = |name: &str, folder: &str| {
            format!("--option={name}={}", self.folder.join(folder).display())
        };
        apt.arg(option("Dir::State", "state")).arg(option("Dir::Cache", "cache")).args([
            "--option=Dir::State::status=/var/lib/dpkg/status",
            "--option=Acquire::Languages=none",
            "--option=Acquire::Retries=3",
            // By default, apt downloads as a user who may not write to this folder.
            "--option=APT::Sandbox::User=",
        ]);
        apt
    }
}

/// Returns whether a Debian `version` is `minimum` or newer.
pub(crate) fn at_least(version: &str, minimum: &str) -> bool {
    succeeds(command("dpkg", paths::root()).args(["--compare-versions", version, "ge", minimum]))
}

/// Returns the name and `=version` of a package from a line of `--print-uris`:
/// `'address' name_version_architecture.deb size checksum`.
fn listed(line: &str) -> Option<(&str, String)> {
    let mut parts = line.split(' ').nth(1)?.split('_');
    let (name, version) = (parts.next()?, parts.next()?);
    Some((name, format!("={}", version.replace("%3a", ":"))))
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn package_and_version_are_read_from_a_listed_file() {
        let line = "'http://debian.example/lld-22_22.1%7edeb_amd64.deb' \
                    lld-22_1%3a22.1~deb_amd64.deb 1487860 SHA256:00";
        assert_eq!(listed(line), Some(("lld-22", "=1:22.1~deb".to_owned())));
        assert_eq!(listed(""), None);
    }
}
