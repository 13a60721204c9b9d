//! Blobs, as the account's object has to do with them: it is asked about uploads, and removes from
//! R2 what is not needed any more. `blobs.js` has the bytes.

use core::str::FromStr;

use ::http::HeaderMap;
use ::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use bytes::Bytes;
use cid::Cid;
use futures_core::future::LocalBoxFuture;
use nacre_pds::Pds;
use nacre_pds::blobs::{Download, Received, Upload, UploadError};
use nacre_pds::body::{Body, BodyError, Request, Response};
use nacre_pds::host::{Blobs, BlobsError};
use serde_json::json;
use worker::{Bucket, Env};

use crate::trouble::Trouble;

/// The header by which front and account speak of an upload; the front lets no client send it.
pub(crate) const UPLOAD: &str = "nacre-upload";
/// The one path that blobs come by.
pub(crate) const UPLOAD_PATH: &str = "/xrpc/com.atproto.repo.uploadBlob";
/// The header that asks the front for the bytes of a blob: key, offset and length.
const DOWNLOAD: HeaderName = HeaderName::from_static("nacre-blob");

/// What the front says of an upload.
pub(crate) enum Word {
    /// One begins, whose body has this length, where that is known.
    Begin(Option<u64>),
    /// A blob has been stored.
    Kept(Received),
    /// None has been stored.
    Failed(UploadError),
}

impl Word {
    /// Takes what the front says out of a request, and returns the rest as the client's own.
    pub(crate) fn take(mut request: Request) -> Result<(Option<Self>, Request), Trouble> {
        let Some(value) = request.headers_mut().remove(UPLOAD) else { return Ok((None, request)) };
        let text = value.to_str().unwrap_or_default();
        let word = text.parse();
        let word = word.map_err(|()| Trouble::Request("nacre-upload is not what it should be"))?;
        // The body is not looked at, but that there is one.
        *request.body_mut() = Body::Bytes(Bytes::new());
        if let Self::Begin(Some(length)) = word {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok((Some(word), request))
    }
}

impl FromStr for Word {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let words: Vec<&str> = text.split(' ').collect();
        Ok(match words.as_slice() {
            ["begin", "-"] => Self::Begin(None),
            ["begin", length] => Self::Begin(Some(length.parse().map_err(drop)?)),
            ["kept", cid, size, mime_type] => Self::Kept(Received {
                cid: Cid::try_from(*cid).map_err(drop)?,
                size: size.parse().map_err(drop)?,
                mime_type: (*mime_type).to_owned(),
            }),
            ["failed", "body"] => {
                Self::Failed(UploadError::Body(BodyError::Interrupted("in the front".to_owned())))
            }
            ["failed", "coding"] => Self::Failed(UploadError::Body(BodyError::Coding)),
            ["failed", "large"] => Self::Failed(UploadError::TooLarge(0)),
            ["failed", "store"] => {
                Self::Failed(UploadError::Store("the front could not do it".to_owned()))
            }
            _ => return Err(()),
        })
    }
}

/// Answers what the front says of an upload that the account has let in.
pub(crate) async fn answer(pds: &Pds, upload: Upload, word: Word) -> Response {
    match word {
        Word::Begin(_) => {
            let terms = json!({
                "folder": pds.did(),
                "coding": upload.coding.name(),
                "limit": upload.limit,
            });
            let mut response = Response::new(terms.to_string().into());
            response.headers_mut().insert(UPLOAD, HeaderValue::from_static("go on"));
            response
        }
        Word::Kept(received) => pds.keep_blob(upload, &received).await,
        Word::Failed(error) => pds.refuse_blob(&upload, error),
    }
}

/// Returns the head of a blob's response, and in it what the front is to send.
pub(crate) fn head(pds: &Pds, download: Download) -> Response {
    let Download { mut response, cid, range } = download;
    let headers: &mut HeaderMap = response.headers_mut();
    if let Some(range) = range {
        let length = range.end.saturating_sub(range.start);
        let key = format!("{}/{cid} {} {length}", pds.did(), range.start);
        if let Ok(key) = HeaderValue::try_from(key) {
            headers.insert(DOWNLOAD, key);
        }
    }
    response
}

/// The bucket, of which each account has a folder by its DID.
pub(crate) struct BucketBlobs {
    bucket: Result<Bucket, BlobsError>,
    folder: String,
}

impl BucketBlobs {
    /// Takes the bucket; without one, all that is asked of it fails.
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

/// The binding of the bucket.
pub(crate) const BINDING: &str = "BLOBS";
