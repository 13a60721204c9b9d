//! The protocol between the front and the account's object for blobs. The front moves the bytes;
//! the object decides, with messages in the headers [`UPLOAD_HEADER`] and [`DOWNLOAD_HEADER`].
//!
//! An upload takes two requests: `begin`, which the object accepts or refuses, then `kept` or
//! `failed`. A download takes one. The front's half is `blobs.js`.

use core::str::FromStr;

use ::http::HeaderMap;
use ::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use bytes::Bytes;
use cid::Cid;
use nacre_pds::Pds;
use nacre_pds::blobs::{Received, UploadError};
use nacre_pds::body::{Body, BodyError, Request, Response};
use nacre_pds::{Download, Upload};
use serde_json::json;

use crate::host_error::HostError;
use crate::http::UPLOAD_HEADER;

/// The path of uploads.
pub(crate) const UPLOAD_PATH: &str = "/xrpc/com.atproto.repo.uploadBlob";
/// The header that names the bytes for the front to send: key, offset and length.
const DOWNLOAD_HEADER: HeaderName = HeaderName::from_static("nacre-blob");

/// A message from the front about an upload.
pub(crate) enum UploadMessage {
    /// An upload begins. Its body has this length, if the client announced one.
    Begin(Option<u64>),
    /// The front stored the blob.
    Kept(Received),
    /// The front could not store the blob.
    Failed(UploadError),
}

impl UploadMessage {
    /// Removes the front's message from a request. Returns it with the client's request.
    ///
    /// # Errors
    ///
    /// [`HostError::Request`] if the message is malformed.
    pub(crate) fn take(mut request: Request) -> Result<(Option<Self>, Request), HostError> {
        let Some(value) = request.headers_mut().remove(UPLOAD_HEADER) else {
            return Ok((None, request));
        };
        let message = value.to_str().unwrap_or_default().parse();
        let message = message.map_err(|()| HostError::Request("malformed nacre-upload header"))?;
        // The server only checks that there is a body.
        *request.body_mut() = Body::Bytes(Bytes::new());
        if let Self::Begin(Some(length)) = message {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok((Some(message), request))
    }
}

impl FromStr for UploadMessage {
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
                Self::Failed(UploadError::Store("the front could not store the blob".to_owned()))
            }
            _ => return Err(()),
        })
    }
}

/// Answers a message about an upload that the server authorised.
pub(crate) async fn answer_upload(pds: &Pds, upload: Upload, message: UploadMessage) -> Response {
    match message {
        UploadMessage::Begin(_) => {
            let terms = json!({
                "folder": pds.did(),
                "coding": upload.coding.name(),
                "limit": upload.limit,
            });
            let mut response = Response::new(terms.to_string().into());
            response.headers_mut().insert(UPLOAD_HEADER, HeaderValue::from_static("go on"));
            response
        }
        UploadMessage::Kept(received) => pds.keep_blob(upload, &received).await,
        UploadMessage::Failed(error) => pds.refuse_blob(&upload, error),
    }
}

/// Returns the response to a download without its body, which the front adds.
pub(crate) fn download_head(pds: &Pds, download: Download) -> Response {
    let Download { mut response, cid, range } = download;
    let headers: &mut HeaderMap = response.headers_mut();
    if let Some(range) = range {
        let length = range.end.saturating_sub(range.start);
        let key = format!("{}/{cid} {} {length}", pds.did(), range.start);
        if let Ok(key) = HeaderValue::try_from(key) {
            headers.insert(DOWNLOAD_HEADER, key);
        }
    }
    response
}
