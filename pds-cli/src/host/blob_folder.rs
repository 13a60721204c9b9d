//! Blobs as files of a folder, each under its CID.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::ops::Range;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cid::Cid;
use futures_core::future::LocalBoxFuture;
use nacre_pds::blobs::{Intake, Received, Upload, UploadError};
use nacre_pds::body::{Body, BodyError};
use nacre_pds::host::{Blobs, BlobsError};
use tokio::task::spawn_blocking;

use super::gate::Gate;

/// The folder of an account's blobs.
#[derive(Clone)]
pub(crate) struct BlobFolder {
    path: PathBuf,
    gate: Rc<Gate>,
}

/// A file that is removed unless it is kept.
struct Unfinished {
    path: PathBuf,
    is_kept: bool,
}

impl BlobFolder {
    /// Takes a folder. Nothing is done in it.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, gate: Rc::default() }
    }

    /// Returns the folder of an account whose commits do not wait for the disk.
    pub(crate) fn behind(self, gate: Rc<Gate>) -> Self {
        Self { gate, ..self }
    }

    /// Removes what an earlier process has left unfinished.
    pub(crate) fn tidy(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Stores the body of an upload under the hash of what it holds.
    ///
    /// Writes go to the system's cache, so they are not worth a thread; that they are on the disk
    /// is waited for on one.
    pub(crate) async fn store(&self, upload: &mut Upload) -> Result<Received, UploadError> {
        let mut unfinished = Unfinished::new(&self.path)?;
        let file = File::options().write(true).create_new(true).open(&unfinished.path);
        let mut sink = Sink { file: file.map_err(stored)?, intake: upload.intake() };
        let mut body = upload.take_body();
        while let Some(piece) = body.next_piece().await {
            sink.take(&piece.map_err(UploadError::Body)?)?;
        }
        let received = sink.intake.finish();
        let (file, folder) = (sink.file, self.path.clone());
        let (from, to) = (unfinished.path.clone(), self.file(&received.cid));
        in_thread(move || {
            file.sync_all()?;
            fs::rename(from, to)?;
            sync_folder(&folder)
        })
        .await
        .map_err(stored)?;
        unfinished.is_kept = true;
        Ok(received)
    }

    /// Opens a blob and returns these of its bytes as a body.
    pub(crate) async fn read(&self, cid: &Cid, range: Range<u64>) -> io::Result<Body> {
        let path = self.file(cid);
        let file = in_thread(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(range.start))?;
            Ok(file.take(range.end.saturating_sub(range.start)))
        });
        let pieces = futures_util::stream::unfold(Some(file.await?), |file| async move {
            let mut file = file?;
            let read = in_thread(move || {
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                let count = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
                file.by_ref().take(count).read_to_end(&mut piece)?;
                Ok((piece, file))
            });
            match read.await {
                // Fewer than were promised: hyper ends the connection.
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
            match in_thread(|| fs::metadata(path)).await {
                Ok(file) => Ok(Some(file.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed(&error)),
            }
        })
    }

    fn remove(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<(), BlobsError>> {
        let path = self.file(cid);
        let (gate, moment) = (Rc::clone(&self.gate), self.gate.now());
        Box::pin(async move {
            // A file must not be gone before the commit that forgets it is sure.
            gate.pass(moment).await;
            match in_thread(|| fs::remove_file(path)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&error)),
                _ => Ok(()),
            }
        })
    }

    fn list(&self, after: Option<&Cid>) -> LocalBoxFuture<'static, Result<Vec<Cid>, BlobsError>> {
        let (path, after) = (self.path.clone(), after.map(ToString::to_string));
        Box::pin(async {
            let listed = in_thread(move || {
                let mut first = BTreeMap::new();
                for entry in fs::read_dir(path)? {
                    let name = entry?.file_name().to_string_lossy().into_owned();
                    let Ok(cid) = Cid::try_from(name.as_str()) else { continue };
                    if after.as_ref().is_none_or(|after| name > *after) {
                        first.insert(name, cid);
                    }
                    if first.len() > MAX_LISTED {
                        first.pop_last();
                    }
                }
                Ok(first.into_values().collect())
            });
            listed.await.map_err(|error| failed(&error))
        })
    }
}

/// Where the bytes of an upload go.
struct Sink {
    file: File,
    intake: Intake,
}

impl Sink {
    fn take(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.intake.take(bytes)?;
        self.file.write_all(bytes).map_err(stored)
    }
}

impl Unfinished {
    fn new(folder: &Path) -> Result<Self, UploadError> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|error| UploadError::Store(error.to_string()))?;
        let name = format!("{UNFINISHED}{}", data_encoding::HEXLOWER.encode(&name));
        Ok(Self { path: folder.join(name), is_kept: false })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_kept {
            // What is left over is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Runs what may wait for the disk where nothing waits for it.
async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Makes sure that the names of a folder's files are on the disk.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn stored(error: io::Error) -> UploadError {
    UploadError::Store(error.to_string())
}

fn failed(error: &io::Error) -> BlobsError {
    BlobsError(error.to_string())
}

/// How names of files begin that are not whole yet. No CID begins so.
const UNFINISHED: &str = ".unfinished-";
/// How much is read of a file at once.
const PIECE_BYTES: usize = 64 * 1024;
/// How many blobs are listed at once.
const MAX_LISTED: usize = 1_000;

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use core::sync::atomic::Ordering;

    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::super::gate::tests::TestLog;
    use super::*;

    #[tokio::test]
    async fn a_blob_is_there_until_the_disk_holds_that_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (log, disk) = TestLog::new();
        let gate = Rc::new(Gate::new(Arc::<TestLog>::clone(&log)));
        let blobs = BlobFolder::new(folder.path().to_owned()).behind(Rc::clone(&gate));
        let text = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        let (cid, path) = (Cid::try_from(text).unwrap(), folder.path().join(text));
        fs::write(&path, "pearl").unwrap();
        let body = async {
            spawn_local(async move { gate.tend().await });
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
