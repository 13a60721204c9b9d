//! The folder of blobs. Each blob is a file named after its CID.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::ops::Range;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cid::Cid;
use futures_core::future::LocalBoxFuture;
use nacre_pds::Upload;
use nacre_pds::blobs::{Intake, Received, UploadError};
use nacre_pds::body::{Body, BodyError};
use nacre_pds::host::{Blobs, BlobsError};
use tokio::task::spawn_blocking;

use super::output_gate::OutputGate;

/// The folder of an account's blobs.
#[derive(Clone)]
pub(crate) struct BlobFolder {
    path: PathBuf,
    gate: Rc<OutputGate>,
}

/// The path of a temporary file, which is removed on drop unless it was renamed.
struct TemporaryFile {
    path: PathBuf,
    is_renamed: bool,
}

impl BlobFolder {
    /// Returns the folder at `path`, whose removals do not wait for an output gate.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, gate: Rc::default() }
    }

    /// Makes removals wait for an output gate.
    pub(crate) fn with_gate(self, gate: Rc<OutputGate>) -> Self {
        Self { gate, ..self }
    }

    /// Removes temporary files left by an earlier process.
    pub(crate) fn remove_temporary_files(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Stores the body of an upload under its CID and syncs it to disk.
    ///
    /// Writes go to the system's cache and run on the executor. The sync blocks and runs on another
    /// thread.
    pub(crate) async fn store(&self, upload: &mut Upload) -> Result<Received, UploadError> {
        let mut temporary = TemporaryFile::new(&self.path)?;
        let file = File::options().write(true).create_new(true).open(&temporary.path);
        let mut writer = BlobWriter { file: file.map_err(store_error)?, intake: upload.intake() };
        let mut body = upload.take_body();
        while let Some(piece) = body.next_piece().await {
            writer.write(&piece.map_err(UploadError::Body)?)?;
        }
        let received = writer.intake.finish();
        let (file, folder) = (writer.file, self.path.clone());
        let (from, to) = (temporary.path.clone(), self.file(&received.cid));
        run_blocking(move || {
            file.sync_all()?;
            fs::rename(from, to)?;
            sync_folder(&folder)
        })
        .await
        .map_err(store_error)?;
        temporary.is_renamed = true;
        Ok(received)
    }

    /// Opens a blob and returns a range of its bytes as a body.
    pub(crate) async fn read(&self, cid: &Cid, range: Range<u64>) -> io::Result<Body> {
        let path = self.file(cid);
        let file = run_blocking(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(range.start))?;
            Ok(file.take(range.end.saturating_sub(range.start)))
        });
        let pieces = futures_util::stream::unfold(Some(file.await?), |file| async move {
            let mut file = file?;
            let read = run_blocking(move || {
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                let count = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
                file.by_ref().take(count).read_to_end(&mut piece)?;
                Ok((piece, file))
            });
            match read.await {
                // The file is shorter than the announced length, so hyper ends the connection.
                Ok((piece, _)) if piece.is_empty() => None,
                Ok((piece, file)) => Some((Ok(Bytes::from(piece)), Some(file))),
                Err(error) => Some((Err(BodyError::Interrupted(error.to_string())), None)),
            }
        });
        Ok(Body::Stream(Box::pin(pieces)))
    }

    fn file(&self, cid: &Cid) -> PathBuf {
        self.path.join(cid.to_string())
    }
}

impl Blobs for BlobFolder {
    fn size(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<Option<u64>, BlobsError>> {
        let path = self.file(cid);
        Box::pin(async {
            match run_blocking(|| fs::metadata(path)).await {
                Ok(file) => Ok(Some(file.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed(&error)),
            }
        })
    }

    fn remove(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<(), BlobsError>> {
        let path = self.file(cid);
        let (gate, position) = (Rc::clone(&self.gate), self.gate.position());
        Box::pin(async move {
            // The commit that drops the blob must be on disk before the file is removed.
            gate.wait_until_synced(position).await;
            match run_blocking(|| fs::remove_file(path)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&error)),
                _ => Ok(()),
            }
        })
    }

    fn list(&self, after: Option<&Cid>) -> LocalBoxFuture<'static, Result<Vec<Cid>, BlobsError>> {
        let (path, after) = (self.path.clone(), after.map(ToString::to_string));
        Box::pin(async {
            let listed = run_blocking(move || {
                let mut first = BTreeMap::new();
                for entry in fs::read_dir(path)? {
                    let name = entry?.file_name().to_string_lossy().into_owned();
                    let Ok(cid) = Cid::try_from(name.as_str()) else { continue };
                    if after.as_ref().is_none_or(|after| name > *after) {
                        first.insert(name, cid);
                    }
                    if first.len() > PAGE_BLOBS {
                        first.pop_last();
                    }
                }
                Ok(first.into_values().collect())
            });
            listed.await.map_err(|error| failed(&error))
        })
    }
}

/// Writes and hashes the bytes of an upload.
struct BlobWriter {
    file: File,
    intake: Intake,
}

impl BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.intake.take(bytes)?;
        self.file.write_all(bytes).map_err(store_error)
    }
}

impl TemporaryFile {
    fn new(folder: &Path) -> Result<Self, UploadError> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|error| UploadError::Store(error.to_string()))?;
        let name = format!("{TEMPORARY_PREFIX}{}", data_encoding::HEXLOWER.encode(&name));
        Ok(Self { path: folder.join(name), is_renamed: false })
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.is_renamed {
            // If this fails, the next start removes the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Runs blocking work on another thread.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Syncs a folder's entries to disk.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn store_error(error: io::Error) -> UploadError {
    UploadError::Store(error.to_string())
}

fn failed(error: &io::Error) -> BlobsError {
    BlobsError(error.to_string())
}

/// The prefix of temporary files. No CID starts with it.
const TEMPORARY_PREFIX: &str = ".unfinished-";
/// The number of bytes read from a file at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// The number of blobs in a page of the listing.
const PAGE_BLOBS: usize = 1_000;

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use core::sync::atomic::Ordering;

    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::super::output_gate::tests::TestLog;
    use super::*;

    #[tokio::test]
    async fn removal_waits_until_the_commit_that_drops_the_blob_is_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (log, disk) = TestLog::new();
        let gate = Rc::new(OutputGate::new(Arc::<TestLog>::clone(&log)));
        let blobs = BlobFolder::new(folder.path().to_owned()).with_gate(Rc::clone(&gate));
        let text = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        let (cid, path) = (Cid::try_from(text).unwrap(), folder.path().join(text));
        fs::write(&path, "pearl").unwrap();
        let body = async {
            spawn_local(async move { gate.run().await });
            log.commits.store(1, Ordering::SeqCst);
            let removed = spawn_local(blobs.remove(&cid));
            while log.syncs.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
            assert!(path.exists());
            disk.send(Ok(())).unwrap();
            removed.await.unwrap().unwrap();
            assert!(!path.exists());
        };
        LocalSet::new().run_until(body).await;
    }
}
