//! A private copy of a database, to open it without changing the original.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, io};

use nacre_pds::host::Rng as _;

use crate::host::SystemRng;
use crate::launch::DATABASE;

/// A copy of a database in a temporary folder, which is removed on drop.
pub(crate) struct DatabaseCopy {
    folder: PathBuf,
}

/// Why a database cannot be copied.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot copy {} to {}: {error}; set TMPDIR to a writable folder with enough space",
    database.display(),
    folder.display()
)]
pub(crate) struct CopyError {
    database: PathBuf,
    folder: PathBuf,
    error: io::Error,
}

impl DatabaseCopy {
    /// Copies a database that nobody writes to, with the log or journal of a crashed process.
    pub(crate) fn of(database: &Path) -> Result<Self, CopyError> {
        let mut name = [0; 16];
        SystemRng.fill(&mut name);
        let name = format!("nacre-verify-{:032x}", u128::from_ne_bytes(name));
        let folder = env::temp_dir().join(name);
        let failed =
            |error| CopyError { database: database.to_owned(), folder: folder.clone(), error };
        private_folder(&folder).map_err(failed)?;
        let copy = Self { folder: folder.clone() };
        copy_bytes(database, &copy.path()).map_err(failed)?;
        for suffix in ["-wal", "-journal"] {
            match copy_bytes(&beside(database, suffix), &beside(&copy.path(), suffix)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied.map_err(failed)?),
            }
        }
        Ok(copy)
    }

    /// Returns the path of the copy.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(DATABASE)
    }
}

impl Drop for DatabaseCopy {
    fn drop(&mut self) {
        // If this fails, the system cleans up its temporary folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Copies a file without its permissions, so that the copy of a read-only file is writable.
fn copy_bytes(from: &Path, to: &Path) -> io::Result<u64> {
    io::copy(&mut File::open(from)?, &mut File::create(to)?)
}

/// Creates a new folder that only its owner may enter.
fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Returns the path of a file that SQLite keeps beside a database.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
