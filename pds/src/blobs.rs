//! Blobs, apart from records: what comes in, what goes out, and what is removed.
//!
//! Bytes do not pass through the account. A host stores an [`Upload`] by the hash that an
//! [`Intake`] finds on the way, and then has [`Pds::keep_blob`] make it known; it sends what a
//! [`Download`] asks for.

mod download;
mod removal;
mod upload;

use http::StatusCode;
use nacre_xrpc::XrpcError;
use serde_json::json;

pub use self::download::Download;
pub(crate) use self::removal::{Backoff, Removal};
pub use self::upload::{Intake, Received, Upload, UploadError, raw_cid, sniff};
pub(crate) use self::upload::{UNKNOWN_TYPE, is_mime_type};
use crate::Pds;
use crate::api::{self, Call, Failure};
use crate::auth::access::{Access, Owner};
use crate::body::Response;
use crate::front;
use crate::host::SqlError;
use crate::store::StoredBlob;

impl Pds {
    /// Makes a blob known whose bytes have been stored under their CID, and answers its upload.
    pub async fn keep_blob(&self, upload: Upload, received: &Received) -> Response {
        let answer = self.keep(&upload.call, received).await;
        let mut response = answer.unwrap_or_else(|failure| self.failed(failure));
        front::finish(&upload.call.parts, &mut response);
        response
    }

    /// Answers an upload that has failed.
    pub fn refuse_blob(&self, upload: &Upload, error: UploadError) -> Response {
        let failure = match error {
            UploadError::Body(error) => error.into(),
            UploadError::Store(_) => Failure::fault(error),
            UploadError::TooLarge(_) => XrpcError::payload_too_large().into(),
        };
        let mut response = self.failed(failure);
        front::finish(&upload.call.parts, &mut response);
        response
    }

    /// Answers a download whose blob could not be read; `cause` is for the log.
    pub fn refuse_download(&self, cause: String) -> Response {
        let mut response = self.failed(Failure::Fault(cause));
        front::open_to_all(&mut response);
        response
    }

    async fn keep(&self, call: &Call, received: &Received) -> Result<Response, Failure> {
        // While the body came in, the session may have ended.
        let _: Owner = Owner::admit(self, call)?;
        let Received { cid, size, .. } = received;
        let key = cid.to_string();
        if self.removing.borrow().contains(cid) {
            return Err(being_removed());
        }
        let stored = self.store.transaction(|| {
            let known = self.store.blob(&key)?;
            let is_expected = self.store.is_blob_expected(&key)?;
            let idle_since_s = (!is_expected).then(|| self.now_s());
            let mime_type = self.type_of_upload(received, known.as_ref())?;
            let stored = StoredBlob { mime_type, size: *size, idle_since_s };
            self.store.put_blob(&key, &stored)?;
            if known.is_none() && is_expected {
                self.store.count_stored_blob(1)?;
            }
            Ok::<_, Failure>(stored)
        })?;
        // It may have been removed after it was stored, as one that was here before and idle. From
        // here on it is too young for that.
        if self.host.blobs.size(cid).await.map_err(Failure::fault)? != Some(*size) {
            self.forget_lost(&key)?;
            self.host.log.error(&format!("blob {cid} was removed while it was uploaded"));
            return Err(being_removed());
        }
        self.wake();
        let blob = json!({ "blob": {
            "$type": "blob",
            "ref": { "$link": key },
            "mimeType": stored.mime_type,
            "size": size,
        } });
        Ok(front::typed(StatusCode::OK, api::JSON, blob.to_string().into()))
    }

    /// Forgets a blob whose bytes are not stored, whether a record refers to it or not.
    pub(crate) fn forget_lost(&self, key: &str) -> Result<(), SqlError> {
        self.store.transaction(|| {
            if self.store.blob(key)?.is_some() && self.store.is_blob_expected(key)? {
                self.store.count_stored_blob(-1)?;
            }
            self.store.forget_blob(key)
        })
    }
}

/// Returns the answer to an upload whose bytes were removed while it ended.
fn being_removed() -> Failure {
    let message = "the same blob is being removed; upload it again";
    XrpcError::new(503, "ServiceUnavailable", message).into()
}

/// How long a blob is kept that no record refers to, such as that of a draft or of a record that is
/// deleted and written anew; and what an import has brought that did not come to its end.
pub(crate) const GRACE_S: i64 = 86_400;
