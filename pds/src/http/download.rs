//! Downloads of blobs: the head of the response, and the range of bytes that follow it.

use core::ops::Range;

use cid::Cid;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use crate::body::Response;

/// A blob that a host sends.
#[derive(Debug)]
pub struct Download {
    /// The response without its body.
    pub response: Response,
    /// The blob.
    pub cid: Cid,
    /// The bytes of the blob that form the body. `None` if the response has no body.
    pub range: Option<Range<u64>>,
}

/// The properties of a blob that its response states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlobHead<'a> {
    pub(crate) cid: Cid,
    pub(crate) mime_type: &'a str,
    /// In bytes.
    pub(crate) size: u64,
    /// Whether shared caches may not keep it.
    pub(crate) is_private: bool,
}

impl Download {
    /// Answers a request for a blob or for a range of it.
    pub(crate) fn new(parts: &Parts, blob: BlobHead<'_>) -> Self {
        let BlobHead { cid, mime_type, size, is_private } = blob;
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
        let status = if is_cached(&parts.headers, &etag) {
            StatusCode::NOT_MODIFIED
        } else {
            let (status, asked) = match requested(&parts.headers, &etag, size) {
                Requested::All => (StatusCode::OK, 0..size),
                Requested::Part(part) => {
                    let last = part.end.saturating_sub(1);
                    let text = format!("bytes {}-{last}/{}", part.start, size);
                    set(header::CONTENT_RANGE, text);
                    (StatusCode::PARTIAL_CONTENT, part)
                }
                Requested::Outside => {
                    set(header::CONTENT_RANGE, format!("bytes */{}", size));
                    (StatusCode::RANGE_NOT_SATISFIABLE, 0..0)
                }
            };
            set(header::CONTENT_TYPE, mime_type.to_owned());
            set(header::CONTENT_LENGTH, (asked.end - asked.start).to_string());
            range = (parts.method == Method::GET && !asked.is_empty()).then_some(asked);
            status
        };
        *response.status_mut() = status;
        Self { response, cid, range }
    }
}

/// The part of a blob that a request asks for.
#[derive(Debug, Eq, PartialEq)]
enum Requested {
    All,
    Part(Range<u64>),
    /// A range past the end.
    Outside,
}

/// Parses a `Range` of one part. Any other value means the whole blob, as the RFC allows.
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

/// Returns whether the client already has the blob.
fn is_cached(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    known.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str) -> Requested {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        requested(&headers, "\"cid\"", 10)
    }

    #[test]
    fn single_range_selects_its_bytes() {
        assert_eq!(asked("bytes=0-0"), Requested::Part(0..1));
        assert_eq!(asked("bytes=2-5"), Requested::Part(2..6));
        assert_eq!(asked("bytes=2-"), Requested::Part(2..10));
        assert_eq!(asked("bytes=-3"), Requested::Part(7..10));
        assert_eq!(asked("bytes=-30"), Requested::Part(0..10));
        assert_eq!(asked("bytes=9-99999999999999999999999"), Requested::Part(9..10));
    }

    #[test]
    fn range_past_the_end_is_not_satisfiable() {
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(asked(range), Requested::Outside, "{range}");
        }
    }

    #[test]
    fn invalid_or_multipart_range_is_ignored() {
        for range in ["bytes=5-2", "bytes=a-b", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes="] {
            assert_eq!(asked(range), Requested::All, "{range}");
        }
    }
}
