//! The folder of an account, and its lock against a second process.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process;

/// A folder that this process has locked for as long as the value lives.
///
/// The operating system releases the lock when the process ends, even if it crashes.
pub(crate) struct Folder {
    path: PathBuf,
    lock: File,
}

/// Why a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{} is not a folder; choose another with --dir", .0.display())]
    NotAFolder(PathBuf),
    #[error(
        "{} is in use by another pds{holder}; stop it, or choose another folder with --dir",
        path.display()
    )]
    Locked { path: PathBuf, holder: String },
}

impl Folder {
    /// Locks the folder. Creates it, with a folder for blobs in it, if it does not exist.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |error| FolderError::File { path: path.to_owned(), error };
        if path.is_file() {
            return Err(FolderError::NotAFolder(path.to_owned()));
        }
        create_private_folder(path).map_err(failed)?;
        create_private_folder(&path.join(BLOBS)).map_err(failed)?;
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
                return Err(FolderError::Locked { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut folder = Self { path: path.to_owned(), lock };
        folder.write(&format!("process {}", process::id()))?;
        Ok(folder)
    }

    /// Writes the server's URL to the lock file, for the error message of another process.
    pub(crate) fn record_url(&mut self, url: &str) -> Result<(), FolderError> {
        self.write(&format!("process {}, at {url}", process::id()))
    }

    /// Returns the path of a file in the folder. Creates the file if it does not exist.
    ///
    /// Only its owner may read it and the files that SQLite creates beside it.
    pub(crate) fn private_file(&self, name: &str) -> Result<PathBuf, FolderError> {
        let path = self.file(name);
        match private_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(FolderError::File { path, error })
            }
            _ => Ok(path),
        }
    }

    /// Returns the path of a file in the folder.
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

/// Creates a new file that only its owner may read.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates a folder that only its owner may enter, unless it exists.
fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Returns the lock file's description of the holder, or an empty string if it cannot be read.
fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.take(MAX_HOLDER_BYTES).read_to_string(&mut text) {
        Ok(1..) => format!(" ({})", text.trim()),
        _ => String::new(),
    }
}

/// The name of the folder of blobs.
const BLOBS: &str = "blobs";
/// Ample for a process id and a URL.
const MAX_HOLDER_BYTES: u64 = 1024;
