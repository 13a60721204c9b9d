//! Blobs, apart from records: what comes in, what goes out, and what is removed.
//!
//! Bytes do not pass through the account. A host stores an [`Upload`] by the hash that an
//! [`Intake`] finds on the way, and then has [`Pds::keep_blob`] make it known; it sends what a
//! [`Download`] asks for.

use core::ops::Range;

use cid::Cid;
use cid::multihash::Multihash;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use nacre_xrpc::XrpcError;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::Pds;
use crate::api::{self, Call, Failure};
use crate::auth::access::{Access, Owner};
use crate::body::{Body, BodyError, Response};
use crate::front;
use crate::host::SqlError;
use crate::store::StoredBlob;

/// A blob that a client may send: its bytes are still to be read.
#[derive(Debug)]
pub struct Upload {
    pub(crate) call: Call,
    /// What the client says that the blob is.
    declared: Option<String>,
    /// How the bytes are packed.
    pub coding: Coding,
    /// The most bytes that the blob may have.
    pub limit: u64,
}

/// How the bytes of an upload are packed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coding {
    /// They are as they are.
    Identity,
    /// With gzip.
    Gzip,
}

/// What is found out about a blob while its bytes come in.
#[derive(Debug)]
pub struct Intake {
    hash: Sha256,
    head: Vec<u8>,
    size: u64,
    limit: u64,
    declared: Option<String>,
}

/// A blob that has come in whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// The hash of its bytes.
    pub cid: Cid,
    /// How many bytes there are.
    pub size: u64,
    /// What the blob is: `type/subtype`.
    pub mime_type: String,
}

/// Why an upload did not come in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The client is to blame: its body ended early.
    #[error(transparent)]
    Body(BodyError),
    /// The client is to blame: the bytes are not packed as it says.
    #[error("the body is not packed with gzip")]
    Coding,
    /// We are to blame: the bytes could not be stored.
    #[error("a blob could not be stored: {0}")]
    Store(String),
    /// The client is to blame: the blob is larger than blobs may be.
    #[error("the blob is larger than {0} bytes")]
    TooLarge(u64),
}

/// A blob that is sent.
#[derive(Debug)]
pub struct Download {
    /// All of the response but its body.
    pub response: Response,
    /// Which blob.
    pub cid: Cid,
    /// Which of its bytes; none, if only the head of the response was asked for.
    pub range: Option<Range<u64>>,
}

impl Upload {
    /// Reads the head of a call.
    pub(crate) fn new(call: Call, limit: u64) -> Result<Self, XrpcError> {
        let coding = match call.header(&header::CONTENT_ENCODING).map(str::trim) {
            None | Some("" | "identity") => Coding::Identity,
            Some(name) if name.eq_ignore_ascii_case("gzip") => Coding::Gzip,
            Some(_) => {
                let message = "unsupported content-encoding";
                return Err(XrpcError::new(415, "UnsupportedMediaType", message));
            }
        };
        let length = nacre_xrpc::content_length(call.header(&header::CONTENT_LENGTH))?;
        if coding == Coding::Identity && length.is_some_and(|length| length > limit) {
            return Err(XrpcError::payload_too_large());
        }
        let declared = call.header(&header::CONTENT_TYPE).map(ToOwned::to_owned);
        Ok(Self { call, declared, coding, limit })
    }

    /// Returns the body, once.
    pub fn take_body(&mut self) -> Body {
        core::mem::take(&mut self.call.body)
    }

    /// Returns what finds out about the blob.
    #[must_use]
    pub fn intake(&self) -> Intake {
        Intake {
            hash: Sha256::new(),
            head: Vec::new(),
            size: 0,
            limit: self.limit,
            declared: self.declared.clone(),
        }
    }
}

impl Intake {
    /// Takes the next bytes of the blob.
    ///
    /// # Errors
    ///
    /// [`UploadError::TooLarge`] as soon as there are too many.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.size > self.limit {
            return Err(UploadError::TooLarge(self.limit));
        }
        let wanted = SNIFFED_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend(bytes.iter().take(wanted));
        self.hash.update(bytes);
        Ok(())
    }

    /// Tells what the blob is that has come in.
    #[must_use]
    pub fn finish(self) -> Received {
        let mime_type = sniff(&self.head, self.declared.as_deref());
        Received { cid: raw_cid(&self.hash.finalize().into()), size: self.size, mime_type }
    }
}

/// Returns the CID of bytes by their SHA-256.
///
/// # Panics
///
/// Never: 32 bytes fit into a multihash.
#[must_use]
pub fn raw_cid(sha256: &[u8; 32]) -> Cid {
    Cid::new_v1(RAW, Multihash::wrap(SHA2_256, sha256).expect("32 bytes fit"))
}

/// Tells what a blob is by its first bytes, or else by what it was declared as.
#[must_use]
pub fn sniff(head: &[u8], declared: Option<&str>) -> String {
    if let Some(found) = infer::get(head) {
        return found.mime_type().to_owned();
    }
    let essence = declared.and_then(|declared| declared.split(';').next()).unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    if is_mime_type(&essence) { essence } else { "application/octet-stream".to_owned() }
}

impl Pds {
    /// Makes a blob known whose bytes have been stored under their CID, and answers its upload.
    pub async fn keep_blob(&self, upload: Upload, received: &Received) -> Response {
        let parts = &upload.call.parts;
        let answer = self.keep(&upload.call, received).await;
        let response = answer.unwrap_or_else(|failure| self.failed(failure));
        finished(parts, response)
    }

    /// Answers an upload that has failed.
    pub fn refuse_blob(&self, upload: &Upload, error: UploadError) -> Response {
        let failure = match error {
            UploadError::Body(error) => error.into(),
            UploadError::Coding => api::invalid("unable to decode the request body").into(),
            UploadError::Store(_) => Failure::fault(error),
            UploadError::TooLarge(_) => XrpcError::payload_too_large().into(),
        };
        finished(&upload.call.parts, self.failed(failure))
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
        let Received { cid, size, mime_type } = received;
        let key = cid.to_string();
        if self.removing.borrow().contains(cid) {
            let message = "the same blob is just being removed, send it again";
            return Err(XrpcError::new(503, "ServiceUnavailable", message).into());
        }
        let stored = self.store.transaction(|| {
            let known = self.store.blob(&key)?;
            let is_expected = self.store.is_blob_expected(&key)?;
            let idle_since_s = (!is_expected).then(|| self.now_s());
            // A blob stays what it was, for the records that say so.
            let mime_type = match &known {
                Some(known) => known.mime_type.clone(),
                None => mime_type.clone(),
            };
            let stored = StoredBlob { mime_type, size: *size, idle_since_s };
            self.store.put_blob(&key, &stored)?;
            if known.is_none() && is_expected {
                self.store.count_stored_blob()?;
            }
            Ok::<_, Failure>(stored)
        })?;
        // It may have been removed after it was stored, as one that was here before and idle. From
        // here on it is too young for that.
        if self.host.blobs.size(cid).await.map_err(Failure::fault)? != Some(*size) {
            return Err(Failure::Fault(format!("the blob {cid} is gone")));
        }
        self.wake_for_blobs();
        let blob = json!({ "blob": {
            "$type": "blob",
            "ref": { "$link": key },
            "mimeType": stored.mime_type,
            "size": size,
        } });
        Ok(front::typed(StatusCode::OK, api::JSON, blob.to_string().into()))
    }

    /// Does what is due: removes blobs that no record has referred to for a day.
    ///
    /// A host calls this when its alarm goes off, and may do so at any other time.
    pub async fn tend(&self) {
        if let Err(failure) = self.remove_idle_blobs().await {
            // The next alarm tries again.
            self.failed(failure);
        }
        self.wake_for_blobs();
    }

    async fn remove_idle_blobs(&self) -> Result<(), Failure> {
        let before_s = self.now_s().saturating_sub(GRACE_S);
        for cid in self.store.blobs_idle_since(before_s)? {
            // It is forgotten first, so that no record can come to refer to what is being removed.
            if self.forget_idle(&cid, before_s)? {
                self.removing.borrow_mut().insert(cid);
                let removed = self.host.blobs.remove(&cid).await;
                self.removing.borrow_mut().remove(&cid);
                removed.map_err(Failure::fault)?;
            }
        }
        Ok(())
    }

    /// Forgets a blob if it still is idle, and has been since then; tells whether it did.
    fn forget_idle(&self, cid: &Cid, before_s: i64) -> Result<bool, SqlError> {
        let key = cid.to_string();
        self.store.transaction(|| {
            let idle_since_s = self.store.blob(&key)?.and_then(|blob| blob.idle_since_s);
            let is_due = idle_since_s.is_some_and(|since_s| since_s <= before_s);
            if is_due {
                self.store.forget_blob(&key)?;
            }
            Ok(is_due)
        })
    }

    /// Sets the alarm for the first blob that is idle. Where that fails, a later one does it.
    pub(crate) fn wake_for_blobs(&self) {
        let set = self.store.first_idle().and_then(|idle| match idle {
            Some(since_s) => {
                let pause = self.now_s().saturating_add(MIN_PAUSE_S);
                self.host.alarm.set(since_s.saturating_add(GRACE_S).max(pause))
            }
            None => Ok(()),
        });
        if let Err(error) = set {
            self.host.log.error(&error.to_string());
        }
    }
}

impl Download {
    /// Answers a request for a blob, of which it may have asked for a part.
    pub(crate) fn new(parts: &Parts, cid: Cid, blob: &StoredBlob, is_private: bool) -> Self {
        let etag = format!("\"{cid}\"");
        let mut response = Response::default();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        set(header::ETAG, etag.clone());
        let scope = if is_private { "private" } else { "public" };
        set(header::CACHE_CONTROL, format!("{scope}, max-age=31536000, immutable"));
        set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned());
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned());
        set(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{cid}\""));
        set(header::ACCEPT_RANGES, "bytes".to_owned());
        let mut range = None;
        let status = if is_known(&parts.headers, &etag) {
            StatusCode::NOT_MODIFIED
        } else {
            let (status, asked) = match requested(&parts.headers, &etag, blob.size) {
                Requested::All => (StatusCode::OK, 0..blob.size),
                Requested::Part(part) => {
                    let last = part.end.saturating_sub(1);
                    let text = format!("bytes {}-{last}/{}", part.start, blob.size);
                    set(header::CONTENT_RANGE, text);
                    (StatusCode::PARTIAL_CONTENT, part)
                }
                Requested::Outside => {
                    set(header::CONTENT_RANGE, format!("bytes */{}", blob.size));
                    (StatusCode::RANGE_NOT_SATISFIABLE, 0..0)
                }
            };
            set(header::CONTENT_TYPE, blob.mime_type.clone());
            set(header::CONTENT_LENGTH, (asked.end - asked.start).to_string());
            range = (parts.method == Method::GET && !asked.is_empty()).then_some(asked);
            status
        };
        *response.status_mut() = status;
        Self { response, cid, range }
    }
}

/// What a request asks for of a blob.
#[derive(Debug, Eq, PartialEq)]
enum Requested {
    All,
    Part(Range<u64>),
    Outside,
}

/// Reads a `Range` of one part; others are answered with all, as they may be.
///
/// <https://www.rfc-editor.org/rfc/rfc9110#name-range-requests>
fn requested(headers: &HeaderMap, etag: &str, size: u64) -> Requested {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|known| known != etag) {
        return Requested::All;
    }
    let range = text(header::RANGE).and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else {
        return Requested::All;
    };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Requested::All,
    };
    if part.is_empty() { Requested::Outside } else { Requested::Part(part) }
}

/// Tells whether the client has the blob already.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    known.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag
    })
}

/// Puts on what every response has.
fn finished(parts: &Parts, mut response: Response) -> Response {
    front::finish(parts, &mut response);
    response
}

/// Tells whether a text is `type/subtype`, of the characters that these may have.
fn is_mime_type(text: &str) -> bool {
    let is_token = |token: &str| {
        (1..=127).contains(&token.len())
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    text.split_once('/').is_some_and(|(kind, name)| is_token(kind) && is_token(name))
}

/// The most bytes that a blob may have.
pub(crate) const MAX_BLOB_BYTES: u64 = 100 * 1024 * 1024;
/// How many of the first bytes tell what a blob is.
const SNIFFED_BYTES: usize = 8_192;
/// How long a blob is kept that no record refers to: those of a draft, and of a record that is
/// deleted and written anew.
const GRACE_S: i64 = 86_400;
/// The least time between two alarms.
const MIN_PAUSE_S: i64 = 60;
/// <https://github.com/multiformats/multicodec/blob/master/table.csv>
const RAW: u64 = 0x55;
const SHA2_256: u64 = 0x12;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str) -> Requested {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        requested(&headers, "\"cid\"", 10)
    }

    #[test]
    fn one_range_is_a_part() {
        assert_eq!(asked("bytes=0-0"), Requested::Part(0..1));
        assert_eq!(asked("bytes=2-5"), Requested::Part(2..6));
        assert_eq!(asked("bytes=2-"), Requested::Part(2..10));
        assert_eq!(asked("bytes=-3"), Requested::Part(7..10));
        assert_eq!(asked("bytes=-30"), Requested::Part(0..10));
        assert_eq!(asked("bytes=9-99999999999999999999999"), Requested::Part(9..10));
    }

    #[test]
    fn what_is_past_the_end_is_outside() {
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(asked(range), Requested::Outside, "{range}");
        }
    }

    #[test]
    fn what_is_no_range_is_not_heeded() {
        for range in ["bytes=5-2", "bytes=a-b", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes="] {
            assert_eq!(asked(range), Requested::All, "{range}");
        }
    }

    #[test]
    fn a_declared_type_must_be_one() {
        for (declared, found) in [
            ("Text/Plain; charset=utf-8", "text/plain"),
            ("image/svg+xml", "image/svg+xml"),
            ("*/*", "application/octet-stream"),
            ("text", "application/octet-stream"),
            ("text/plain/more", "application/octet-stream"),
            ("text/\r\nset-cookie", "application/octet-stream"),
        ] {
            assert_eq!(sniff(b"nothing special", Some(declared)), found);
        }
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n\0\0\0\x0d", Some("text/html")), "image/png");
    }
}
