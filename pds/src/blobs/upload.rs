//! A blob on its way in.

use cid::Cid;
use cid::multihash::Multihash;
use http::header;
use nacre_xrpc::XrpcError;
use sha2::{Digest, Sha256};

use crate::api::Call;
use crate::body::{Body, BodyError};

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
    if is_mime_type(&essence) { essence } else { UNKNOWN_TYPE.to_owned() }
}

/// Tells whether a text is `type/subtype`, of the characters that these may have.
pub(crate) fn is_mime_type(text: &str) -> bool {
    let is_token = |token: &str| {
        (1..=127).contains(&token.len())
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    text.split_once('/').is_some_and(|(kind, name)| is_token(kind) && is_token(name))
}

/// The type of a blob that nobody named the type of.
pub(crate) const UNKNOWN_TYPE: &str = "application/octet-stream";
/// How many of the first bytes tell what a blob is.
const SNIFFED_BYTES: usize = 8_192;
/// <https://github.com/multiformats/multicodec/blob/master/table.csv>
const RAW: u64 = 0x55;
const SHA2_256: u64 = 0x12;

#[cfg(test)]
mod tests {
    use super::*;

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
