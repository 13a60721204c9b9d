//! Responses compressed with gzip, for clients that accept it.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#name-accept-encoding>

use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderValue, VARY,
};
use http::{Method, StatusCode};
use nacre_pds::body::{Body, BodyError, Response};

/// The content codings that a request accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AcceptEncoding {
    gzip: bool,
}

/// A body that is compressed as it is sent.
struct Compressed {
    body: Body,
    /// The part of the current piece that is not compressed yet.
    rest: Bytes,
    /// `None` once the stream has ended.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl AcceptEncoding {
    /// Reads the `Accept-Encoding` of a request. The response to a `HEAD` is never compressed.
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Self {
        Self { gzip: method != Method::HEAD && accepts_gzip(headers) }
    }

    /// Compresses JSON and CARs of more than 1 KiB if the client accepts gzip.
    ///
    /// Larger bodies are compressed as they are sent, 64 KiB at a time.
    pub(crate) async fn compress(self, mut response: Response) -> Response {
        if !is_compressible(&response) {
            return response;
        }
        let body = collect_if_small(mem::take(response.body_mut())).await;
        let is_small = match &body {
            Body::Empty => true,
            Body::Bytes(bytes) => bytes.len() <= SMALL_BYTES,
            Body::Stream(_) => false,
        };
        if is_small {
            *response.body_mut() = body;
            return response;
        }
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        if self.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.remove(CONTENT_LENGTH);
        }
        *response.body_mut() = if self.gzip { compressed(body).await } else { body };
        response
    }
}

/// Returns whether a client prefers gzip to no coding.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut others) = (None, None, None);
    for value in headers.get_all(ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight =
                parts.try_fold(WHOLE, |weight, parameter| match parameter.split_once('=') {
                    Some((key, value)) if key.trim().eq_ignore_ascii_case("q") => {
                        quality(value.trim())
                    }
                    _ => Some(weight),
                });
            // A malformed weight counts as 0.
            let weight = weight.unwrap_or(0);
            match name.as_str() {
                "gzip" | "x-gzip" => gzip = gzip.max(Some(weight)),
                "identity" => identity = Some(weight),
                "*" => others = Some(weight),
                _ => {}
            }
        }
    }
    let gzip = gzip.or(others).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// Reads a weight from `0` to `1.000`, in thousandths.
fn quality(text: &str) -> Option<u16> {
    let (whole, thousandths) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = thousandths.bytes().all(|byte| byte.is_ascii_digit());
    if thousandths.len() > 3 || !are_digits {
        return None;
    }
    let thousandths: u16 = format!("{thousandths:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(WHOLE),
        _ => None,
    }
}

/// Returns whether a response is JSON or a CAR, and neither encoded, partial nor tagged.
fn is_compressible(response: &Response) -> bool {
    let headers = response.headers();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let excluded = [CONTENT_ENCODING, CONTENT_RANGE, ETAG];
    COMPRESSIBLE.contains(&essence)
        && response.status() != StatusCode::NOT_MODIFIED
        && !excluded.iter().any(|name| headers.contains_key(name))
}

/// Collects a stream that has at most one small piece.
async fn collect_if_small(mut body: Body) -> Body {
    if !matches!(body, Body::Stream(_)) {
        return body;
    }
    let first = match body.next_piece().await {
        None => return Body::Empty,
        Some(Ok(piece)) if piece.len() <= SMALL_BYTES => piece,
        Some(first) => return prepend([first], body),
    };
    match body.next_piece().await {
        None => Body::Bytes(first),
        Some(second) => prepend([Ok(first), second], body),
    }
}

/// Puts pieces back in front of a body.
fn prepend<const N: usize>(pieces: [Result<Bytes, BodyError>; N], rest: Body) -> Body {
    let rest = stream::unfold(rest, |mut rest| async {
        let piece = rest.next_piece().await?;
        Some((piece, rest))
    });
    Body::Stream(Box::pin(stream::iter(pieces).chain(rest)))
}

/// Compresses a body: at once if it is one small piece, or else as it is sent.
async fn compressed(body: Body) -> Body {
    let is_one_piece = matches!(&body, Body::Bytes(bytes) if bytes.len() <= PIECE_BYTES);
    // Compressing a piece takes about a millisecond, so other tasks run in between.
    let body = Body::paced(Compressed::new(body));
    if !is_one_piece {
        return body;
    }
    // Bytes in memory get a Content-Length.
    match body.collect(usize::MAX).await {
        Ok(bytes) => Body::Bytes(bytes),
        Err(error) => Body::Stream(Box::pin(stream::iter([Err(error)]))),
    }
}

impl Compressed {
    fn new(body: Body) -> Self {
        let encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
        Self { body, rest: Bytes::new(), encoder }
    }

    /// Compresses the next piece, or ends the gzip stream after the last one. Returns the bytes
    /// that are ready to send.
    fn advance(&mut self) -> Result<Bytes, BodyError> {
        let failed = |error: std::io::Error| BodyError::Interrupted(error.to_string());
        let Some(encoder) = &mut self.encoder else { return Ok(Bytes::new()) };
        if self.rest.is_empty() {
            let last = self.encoder.take().map(GzEncoder::finish).transpose().map_err(failed)?;
            return Ok(last.unwrap_or_default().into());
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        encoder.write_all(&piece).map_err(failed)?;
        Ok(mem::take(encoder.get_mut()).into())
    }
}

impl Stream for Compressed {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.encoder.is_none() {
            return Poll::Ready(None);
        }
        if self.rest.is_empty()
            && let Some(piece) = ready!(self.body.poll_piece(context))
        {
            match piece {
                Ok(piece) if piece.is_empty() => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(piece) => self.rest = piece,
                Err(error) => {
                    self.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        match self.advance() {
            Ok(bytes) if bytes.is_empty() && self.encoder.is_some() => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            advanced => Poll::Ready(Some(advanced)),
        }
    }
}

/// The media types worth compressing. Blobs are images and videos, which already are.
const COMPRESSIBLE: [&str; 2] = ["application/json", "application/vnd.ipld.car"];
/// Bodies up to this size are not compressed.
const SMALL_BYTES: usize = 1_024;
/// The number of bytes compressed before other tasks run.
const PIECE_BYTES: usize = 64 * 1024;
/// The weight 1, in thousandths.
const WHOLE: u16 = 1_000;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::MultiGzDecoder;
    use http::Request;

    use super::*;

    fn accepts(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        AcceptEncoding::of(&Method::GET, &headers).gzip
    }

    #[test]
    fn gzip_is_accepted_by_its_weight() {
        for values in [
            &["gzip"][..],
            &["br, gzip, deflate"],
            &["br", "GZIP"],
            &["x-gzip"],
            &["*"],
            &["gzip;q=0.5"],
            &["gzip ; Q=0.001"],
            &["gzip;q=1.000, identity;q=1"],
            &["identity;q=0.5, *;q=0.6"],
            &["gzip;q=1, *;q=0"],
        ] {
            assert!(accepts(values), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["br, deflate"],
            &["identity"],
            &["gzip;q=0"],
            &["gzip;q=0.000, *"],
            &["*;q=0"],
            &["gzip;q=0.5, identity"],
            &["gzip;q=high"],
            &["gzip;q=1.5"],
            &["gzip;q=0.0001"],
            &["gzipped"],
        ] {
            assert!(!accepts(values), "{values:?}");
        }
    }

    fn response(content_type: &'static str, body: Body) -> Response {
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    fn streamed(bytes: &[u8], size: usize) -> Body {
        let pieces: Vec<_> =
            bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Body::Stream(Box::pin(stream::iter(pieces)))
    }

    async fn bytes(response: Response) -> Vec<u8> {
        response.into_body().collect(usize::MAX).await.unwrap().to_vec()
    }

    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        let mut unpacked = Vec::new();
        MultiGzDecoder::new(bytes).read_to_end(&mut unpacked).unwrap();
        unpacked
    }

    const GZIP: AcceptEncoding = AcceptEncoding { gzip: true };
    const JSON: &str = "application/json; charset=utf-8";
    const CAR: &str = "application/vnd.ipld.car";

    #[tokio::test]
    async fn large_bodies_are_compressed() {
        let text = b"pearl ".repeat(100_000);
        for (content_type, body, is_one_piece) in [
            (JSON, Body::from(text[..2_000].to_vec()), true),
            (JSON, Body::from(text.clone()), false),
            (CAR, streamed(&text, 64 * 1024), false),
            (CAR, streamed(&text[..1_026], 1_024), false),
        ] {
            let compressed = GZIP.compress(response(content_type, body)).await;
            assert_eq!(compressed.headers()[CONTENT_ENCODING], "gzip");
            assert_eq!(compressed.headers()[VARY], "Accept-Encoding");
            assert_eq!(matches!(compressed.body(), Body::Bytes(_)), is_one_piece);
            let unpacked = unpacked(&bytes(compressed).await);
            assert_eq!(unpacked, text[..unpacked.len()]);
            assert!([1_026, 2_000, text.len()].contains(&unpacked.len()));
        }
    }

    #[tokio::test]
    async fn body_is_not_compressed_for_a_client_without_gzip() {
        let text = b"pearl ".repeat(1_000);
        let request = Request::head("/").header(ACCEPT_ENCODING, "gzip").body(()).unwrap();
        let head = AcceptEncoding::of(request.method(), request.headers());
        for accepts in [head, AcceptEncoding { gzip: false }] {
            let plain = accepts.compress(response(JSON, Body::from(text.clone()))).await;
            assert!(!plain.headers().contains_key(CONTENT_ENCODING));
            assert_eq!(plain.headers()[VARY], "Accept-Encoding");
            assert_eq!(bytes(plain).await, text);
        }
    }

    #[tokio::test]
    async fn small_bodies_and_other_types_are_not_compressed() {
        let small = vec![b' '; SMALL_BYTES];
        let large = vec![b' '; 10_000];
        let mut etagged = response(JSON, Body::from(large.clone()));
        etagged.headers_mut().insert(ETAG, HeaderValue::from_static("\"x\""));
        for (response, expected) in [
            (response(JSON, Body::from(small.clone())), &small),
            (response(CAR, streamed(&small, SMALL_BYTES)), &small),
            (response(CAR, streamed(b"", 1)), &Vec::new()),
            (response("text/plain", Body::from(large.clone())), &large),
            (response("image/png", streamed(&large, 100)), &large),
            (etagged, &large),
        ] {
            let plain = GZIP.compress(response).await;
            assert!(!plain.headers().contains_key(CONTENT_ENCODING));
            assert!(!plain.headers().contains_key(VARY));
            assert_eq!(bytes(plain).await, *expected);
        }
    }

    #[tokio::test]
    async fn failing_body_ends_with_its_error() {
        let pieces = [Ok(Bytes::from(vec![0; 5_000])), Err(BodyError::Interrupted("x".to_owned()))];
        let body = Body::Stream(Box::pin(stream::iter(pieces)));
        let compressed = GZIP.compress(response(CAR, body)).await;
        let failed = compressed.into_body().collect(usize::MAX).await;
        assert_eq!(failed, Err(BodyError::Interrupted("x".to_owned())));
    }
}
