//! The R2 bucket of the blobs, for the calls that the account's object makes itself. `blobs.js`
//! moves the bytes.

use cid::Cid;
use futures_core::future::LocalBoxFuture;
use nacre_pds::host::{Blobs, BlobsError};
use worker::{Bucket, Env};

/// The blobs of one account: the folder of the bucket that is named after its DID.
pub(crate) struct BucketBlobs {
    bucket: Result<Bucket, BlobsError>,
    folder: String,
}

impl BucketBlobs {
    /// Takes the bucket from the bindings. Every call fails if no bucket is bound.
    pub(crate) fn new(env: &Env, did: &str) -> Self {
        let bucket = env.bucket(BINDING).map_err(failed);
        Self { bucket, folder: format!("{did}/") }
    }

    fn key(&self, cid: &Cid) -> String {
        format!("{}{cid}", self.folder)
    }
}

impl Blobs for BucketBlobs {
    fn size(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<Option<u64>, BlobsError>> {
        let (bucket, key) = (self.bucket.clone(), self.key(cid));
        Box::pin(async move {
            let object = bucket?.head(key).await.map_err(failed)?;
            Ok(object.map(|object| object.size()))
        })
    }

    fn remove(&self, cid: &Cid) -> LocalBoxFuture<'static, Result<(), BlobsError>> {
        let (bucket, key) = (self.bucket.clone(), self.key(cid));
        Box::pin(async move { bucket?.delete(key).await.map_err(failed) })
    }

    fn list(&self, after: Option<&Cid>) -> LocalBoxFuture<'static, Result<Vec<Cid>, BlobsError>> {
        let (bucket, folder) = (self.bucket.clone(), self.folder.clone());
        let after = after.map(|cid| self.key(cid));
        Box::pin(async move {
            let bucket = bucket?;
            let mut list = bucket.list().prefix(folder.clone()).limit(1_000);
            if let Some(after) = after {
                list = list.start_after(after);
            }
            let objects = list.execute().await.map_err(failed)?.objects();
            let keys = objects.iter().map(worker::Object::key);
            Ok(keys.filter_map(|key| Cid::try_from(key.strip_prefix(&folder)?).ok()).collect())
        })
    }
}

fn failed(error: worker::Error) -> BlobsError {
    BlobsError(error.to_string())
}

/// The name of the bucket's binding.
pub(crate) const BINDING: &str = "BLOBS";
