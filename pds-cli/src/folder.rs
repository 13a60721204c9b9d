//! The folder that holds an account, and the lock that keeps a second server out of it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process;

/// A folder that this process alone serves from, as long as the value lives.
///
/// The operating system lets go of the lock when the process ends, however it ends.
pub(crate) struct Folder {
    path: PathBuf,
    lock: File,
}

/// Why a folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error(
        "{} is in use by another pds{holder}; stop that one, or choose another folder with --dir",
        path.display()
    )]
    Held { path: PathBuf, holder: String },
}

impl Folder {
    /// Makes the folder where there is none, with one for blobs in it, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |error| FolderError::File { path: path.to_owned(), error };
        make(path).map_err(failed)?;
        make(&path.join(BLOBS)).map_err(failed)?;
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("pds.lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut lock);
                return Err(FolderError::Held { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut folder = Self { path: path.to_owned(), lock };
        folder.write(&format!("process {}", process::id()))?;
        Ok(folder)
    }

    /// Tells whoever finds the folder locked at which address it is served.
    pub(crate) fn announce(&mut self, url: &str) -> Result<(), FolderError> {
        self.write(&format!("process {}, at {url}", process::id()))
    }

    /// Returns the path of the folder's file of this name, which is made where there is none.
    ///
    /// Only its owner may read it, and what SQLite puts beside it.
    pub(crate) fn private_file(&self, name: &str) -> Result<PathBuf, FolderError> {
        let path = self.file(name);
        match private_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(FolderError::File { path, error })
            }
            _ => Ok(path),
        }
    }

    /// Returns the path of the folder's file of this name.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the path of the folder of blobs.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.file(BLOBS)
    }

    /// Returns the folder's own path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, text: &str) -> Result<(), FolderError> {
        let failed = |error| FolderError::File { path: self.path.clone(), error };
        self.lock.set_len(0).map_err(failed)?;
        self.lock.rewind().map_err(failed)?;
        self.lock.write_all(text.as_bytes()).map_err(failed)
    }
}

/// Makes a file that only its owner may read, where there is none.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a folder that only its owner may enter.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Returns what the holder of the lock says of itself; nothing where the system hides it.
fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.take(MAX_HOLDER_BYTES).read_to_string(&mut text) {
        Ok(1..) => format!(" ({})", text.trim()),
        _ => String::new(),
    }
}

/// The folder of blobs, in the account's own.
const BLOBS: &str = "blobs";
/// Many times what a process number and an address need.
const MAX_HOLDER_BYTES: u64 = 1024;
