//! A blob on its way out: which of its bytes follow which head.

use core::ops::Range;

use cid::Cid;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use crate::body::Response;
use crate::store::StoredBlob;

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
}
