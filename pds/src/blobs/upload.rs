//! A blob on its way in.

mod formats;

use cid::Cid;
use cid::multihash::Multihash;
use http::header;
use infer::MatcherType;
use nacre_xrpc::XrpcError;
use sha2::{Digest, Sha256};

use crate::api::Call;
use crate::body::{Body, BodyError};
use crate::coding::Coding;

/// A blob that a client may send: its bytes are still to be read.
#[derive(Debug)]
pub struct Upload {
    pub(crate) call: Call,
    /// What the client says that the blob is.
    declared: Option<String>,
    /// How the bytes are encoded; [`Upload::take_body`] returns them decoded.
    pub coding: Coding,
    /// The most bytes that the decoded blob may have.
    pub limit: u64,
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
    /// The client is to blame: its body ended early or does not decode.
    #[error(transparent)]
    Body(BodyError),
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
        let coding = Coding::from_headers(&call.parts.headers)?;
        let length = nacre_xrpc::content_length(call.header(&header::CONTENT_LENGTH))?;
        if coding == Coding::Identity && length.is_some_and(|length| length > limit) {
            return Err(XrpcError::payload_too_large());
        }
        let declared = call.header(&header::CONTENT_TYPE).map(ToOwned::to_owned);
        Ok(Self { call, declared, coding, limit })
    }

    /// Returns the decoded body, once.
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

/// Returns the MIME type of a blob by its first bytes and the type that it was declared as.
///
/// A binary format that is recognised wins over the declared type, unless that is another name of
/// it or a format that uses it as a container. Text is what it was declared as, because a first
/// line does not tell Markdown from HTML or SVG from other XML. Types that browsers run as code are
/// never recognised, only declared. Parameters such as `charset` are dropped.
#[must_use]
pub fn sniff(head: &[u8], declared: Option<&str>) -> String {
    let essence = declared.and_then(|declared| declared.split(';').next()).unwrap_or_default();
    let declared = Some(essence.trim().to_ascii_lowercase()).filter(|text| is_mime_type(text));
    if let Some(found) = binary_type(head)
        && !is_text(head, found, declared.as_deref())
        && !declared.as_deref().is_some_and(|declared| formats::fits(declared, found))
    {
        return found.to_owned();
    }
    declared.unwrap_or_else(|| UNKNOWN_TYPE.to_owned())
}

/// Returns the type of a binary format by its magic number.
fn binary_type(head: &[u8]) -> Option<&'static str> {
    let found = infer::get(head).filter(|found| found.matcher_type() != MatcherType::Text)?;
    Some(formats::modern(found.mime_type(), found.extension()))
        .filter(|mime_type| !NEVER_SNIFFED.contains(mime_type))
}

/// Tells whether the first bytes of a blob are text, though they look like a binary format: UTF-8,
/// perhaps cut within a character, or declared to be text of another charset; and in both cases
/// without binary control characters.
fn is_text(head: &[u8], found: &str, declared: Option<&str>) -> bool {
    let is_control = |byte: &u8| *byte < b' ' && !b"\t\n\x0c\r\x1b".contains(byte);
    if head.iter().any(is_control) {
        return false;
    }
    let is_cut = |error: core::str::Utf8Error| error.error_len().is_none();
    core::str::from_utf8(head).map_or_else(is_cut, |_| true)
        || (formats::begins_like_text(found)
            && declared.is_some_and(|declared| declared.starts_with("text/")))
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
/// What browsers run, and what says nothing.
const NEVER_SNIFFED: [&str; 10] = [
    "application/javascript",
    "application/octet-stream",
    "application/wasm",
    "application/x-shockwave-flash",
    "application/xhtml+xml",
    "application/xml",
    "image/svg+xml",
    "text/html",
    "text/javascript",
    "text/xml",
];
/// How many of the first bytes tell what a blob is.
const SNIFFED_BYTES: usize = 8_192;
/// <https://github.com/multiformats/multicodec/blob/master/table.csv>
const RAW: u64 = 0x55;
const SHA2_256: u64 = 0x12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_declared_type_is_dropped() {
        for (declared, expected) in [
            ("Text/Plain; charset=utf-8", "text/plain"),
            ("image/svg+xml", "image/svg+xml"),
            ("*/*", "application/octet-stream"),
            ("text", "application/octet-stream"),
            ("text/plain/more", "application/octet-stream"),
            ("text/\r\nset-cookie", "application/octet-stream"),
        ] {
            assert_eq!(sniff(b"nothing special", Some(declared)), expected);
        }
        assert_eq!(sniff(b"", None), "application/octet-stream");
        assert_eq!(sniff(b"", Some("image/png")), "image/png");
    }

    #[test]
    fn text_keeps_its_declared_type() {
        let svg = "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>";
        let rss = "<?xml version='1.0' encoding='UTF-8'?>\n<rss version='2.0'/>";
        for (text, declared) in [
            (svg, "image/svg+xml"),
            ("<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
            ("<p align=\"center\">hi</p>", "text/markdown"),
            ("<!-- badges -->\n# A title", "text/markdown"),
            ("<!DOCTYPE html><html></html>", "text/plain"),
            ("<!DOCTYPE html><html></html>", "text/html"),
            (rss, "application/rss+xml"),
            ("<?xml version='1.0'?><gpx version='1.1'/>", "application/gpx+xml"),
            ("<template>\n  <div/>\n</template>", "text/x-vue"),
            ("#!/usr/bin/env python3\nprint(1)", "text/x-python"),
            ("#!/bin/sh\n", "application/x-sh"),
            ("-----BEGIN CERTIFICATE-----\n", "application/x-pem-file"),
            ("%!PS-Adobe-3.0\n", "text/plain"),
            ("{\\rtf1\\ansi", "application/x-custom"),
            ("BMW und MZ", "text/plain"),
            ("MZ is a motorcycle", "text/markdown"),
            ("\u{feff}GIF89a is a format", "text/plain"),
            ("GIF89a is a format", "text/plain"),
            ("ID3 tags, explained", "text/plain"),
            ("\u{1b}[1mbold\u{1b}[0m", "text/plain"),
        ] {
            assert_eq!(sniff(text.as_bytes(), Some(declared)), declared, "{text:?}");
            assert_eq!(sniff(text.as_bytes(), None), "application/octet-stream", "{text:?}");
        }
        // The head ends within a character.
        assert_eq!(sniff(b"BM\xc3", Some("application/x-notes")), "application/x-notes");
        // Latin-1, which only the declared type tells from binary data.
        assert_eq!(sniff(b"BM f\xe4hrt", Some("text/plain")), "text/plain");
        // Longer magic numbers begin no text.
        assert_eq!(sniff(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", Some("text/plain")), "application/pdf");
        assert_eq!(sniff(b"\xff\xd8\xff\xe0", Some("text/plain")), "image/jpeg");
    }

    #[test]
    fn a_binary_format_wins_over_the_declared_type() {
        for (head, expected) in [
            (b"\x89PNG\r\n\x1a\n\0\0\0\x0d".as_slice(), "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"GIF89a\x01\0\x01\0", "image/gif"),
            (b"RIFF\x1a\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x1cftypisom\0\0\x02\0isomiso2", "video/mp4"),
            (b"PK\x03\x04\x14\0\0\0", "application/zip"),
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\x01", "application/pdf"),
            (b"\x1f\x8b\x08\0\0\0\0\0", "application/gzip"),
        ] {
            for declared in ["text/html", "application/octet-stream", "*/*"] {
                assert_eq!(sniff(head, Some(declared)), expected);
            }
        }
    }

    #[test]
    fn code_is_only_ever_declared() {
        let wasm = b"\0asm\x01\0\0\0";
        let flash = b"CWS\x0a\0\0\0\0";
        // An odd control character, so that these do not pass for text.
        let html = b"<html>\x01</html>";
        let xml = b"<?xml version=\"1.0\"?>\x01<svg/>";
        let script = b"#!/bin/sh\n\x01\x02";
        for head in [wasm.as_slice(), flash, html, xml, script] {
            assert_eq!(sniff(head, Some("image/x-odd")), "image/x-odd");
            assert_eq!(sniff(head, None), "application/octet-stream");
        }
        assert_eq!(sniff(wasm, Some("application/wasm")), "application/wasm");
    }
}
