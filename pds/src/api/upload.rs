//! Uploads of blobs. A host stores the body, then reports the result.

use http::{StatusCode, header};
use nacre_xrpc::XrpcError;
use serde_json::json;

use super::access::Access;
use super::call::Call;
use super::failure::{Failure, JSON};
use crate::Pds;
use crate::auth::Owner;
use crate::blobs::{Intake, Received, UploadError};
use crate::body::{Body, Coding, Response};
use crate::http::{add_headers, allow_any_origin, is_authorized, typed};

/// An upload that has been admitted, and whose body has not been read.
#[derive(Debug)]
pub struct Upload {
    call: Call,
    /// The type that the client declares.
    declared_type: Option<String>,
    /// The coding of the body. [`Upload::take_body`] returns the body decoded.
    pub coding: Coding,
    /// The largest size of the decoded blob, in bytes.
    pub limit: u64,
}

impl Upload {
    /// Reads the headers of a call.
    pub(crate) fn new(call: Call, limit: u64) -> Result<Self, Failure> {
        let coding = Coding::from_headers(&call.parts.headers)?;
        let length = nacre_xrpc::content_length(call.header(&header::CONTENT_LENGTH))?;
        if coding == Coding::Identity && length.is_some_and(|length| length > limit) {
            return Err(XrpcError::payload_too_large().into());
        }
        let declared_type = call.header(&header::CONTENT_TYPE).map(ToOwned::to_owned);
        Ok(Self { call, declared_type, coding, limit })
    }

    /// Returns the decoded body. Returns an empty one if it was already taken.
    pub fn take_body(&mut self) -> Body {
        core::mem::take(&mut self.call.body)
    }

    /// Returns an intake for the bytes of the body.
    #[must_use]
    pub fn intake(&self) -> Intake {
        Intake::new(self.limit, self.declared_type.clone())
    }
}

impl Pds {
    /// Answers an upload whose bytes the host has stored under their CID.
    pub async fn keep_blob(&self, upload: Upload, received: &Received) -> Response {
        let answer = self.keep(&upload.call, received).await;
        self.finish_upload(&upload, answer)
    }

    /// Answers an upload that failed.
    pub fn refuse_blob(&self, upload: &Upload, error: UploadError) -> Response {
        let failure = match error {
            UploadError::Body(error) => error.into(),
            UploadError::Store(_) => Failure::fault(error),
            UploadError::TooLarge(_) => XrpcError::payload_too_large().into(),
        };
        self.finish_upload(upload, Err(failure))
    }

    /// Answers a download whose blob could not be read. `cause` is only logged.
    pub fn refuse_download(&self, cause: String) -> Response {
        let mut tag = self.requests.begin();
        tag.set_method("com.atproto.sync.getBlob");
        let mut response = Failure::Fault(cause).into_response(&self.requests, tag);
        allow_any_origin(&mut response);
        self.requests.end(tag, response.status());
        response
    }

    async fn keep(&self, call: &Call, received: &Received) -> Result<Response, Failure> {
        // The session may have ended while the body arrived.
        let _: Owner = Owner::admit(self, call)?;
        let stored = self.blobs.keep(received).await?;
        let blob = json!({ "blob": {
            "$type": "blob",
            "ref": { "$link": received.cid.to_string() },
            "mimeType": stored.mime_type,
            "size": received.size,
        } });
        Ok(typed(StatusCode::OK, JSON, blob.to_string().into()))
    }

    fn finish_upload(&self, upload: &Upload, answer: Result<Response, Failure>) -> Response {
        let tag = upload.call.tag;
        let failed = |failure: Failure| failure.into_response(&self.requests, tag);
        let mut response = answer.unwrap_or_else(failed);
        add_headers(is_authorized(&upload.call.parts), &mut response);
        self.requests.end(tag, response.status());
        response
    }
}
