//! MIME types of blobs: the declared type, unless the bytes contradict it.

use infer::MatcherType;

use super::formats;

/// Returns the MIME type of a blob, from its first bytes and its declared type.
///
/// A recognised binary format overrides the declared type, unless that is another name of the
/// format or uses it as a container. Text keeps its declared type, because its first line does not
/// tell Markdown from HTML or SVG from other XML. Types that browsers run as code are never
/// recognised, only declared. Parameters such as `charset` are dropped.
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
    Some(formats::registered_name(found.mime_type(), found.extension()))
        .filter(|mime_type| !NEVER_SNIFFED.contains(mime_type))
}

/// Returns whether the first bytes of a blob are text although they look like a binary format:
/// UTF-8, or declared as text in another charset, and without binary control characters.
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

/// Returns whether a text is a valid `type/subtype`.
pub(crate) fn is_mime_type(text: &str) -> bool {
    let is_token = |token: &str| {
        (1..=127).contains(&token.len())
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    text.split_once('/').is_some_and(|(kind, name)| is_token(kind) && is_token(name))
}

/// The type of a blob whose type is not known.
pub(crate) const UNKNOWN_TYPE: &str = "application/octet-stream";
/// Types that browsers run as code, and the type that says nothing.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_declared_type_is_ignored() {
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
        // The head ends in the middle of a character.
        assert_eq!(sniff(b"BM\xc3", Some("application/x-notes")), "application/x-notes");
        // Only the declared type distinguishes Latin-1 from binary data.
        assert_eq!(sniff(b"BM f\xe4hrt", Some("text/plain")), "text/plain");
        // Text never begins with a longer magic number.
        assert_eq!(sniff(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", Some("text/plain")), "application/pdf");
        assert_eq!(sniff(b"\xff\xd8\xff\xe0", Some("text/plain")), "image/jpeg");
    }

    #[test]
    fn binary_format_overrides_the_declared_type() {
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
    fn types_that_browsers_run_are_never_recognised() {
        let wasm = b"\0asm\x01\0\0\0";
        let flash = b"CWS\x0a\0\0\0\0";
        // A control character keeps these from passing for text.
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
