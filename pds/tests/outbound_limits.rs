//! Limits on the responses of other servers, and what they are sent.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod fetches;

use core::cell::Cell;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io::Write;
use std::rc::Rc;

use bytes::Bytes;
use fetches::{Client, LIMITS, text};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use http::header::{self, HeaderValue};
use http::{Method, Response};
use nacre_pds::body::{Body, BodyError};
use nacre_pds::dev::{Memory, OWN_HOST, block_on};
use nacre_pds::host::HttpError;
use nacre_pds::outbound::{Fetch, Limits, OutboundError};

const URL: &str = "https://example.com/";

/// A body of 100-byte pieces.
struct Pieces {
    left: usize,
    /// The number of bytes that have been read.
    read: Rc<Cell<usize>>,
    /// How the body ends.
    end: Option<BodyError>,
}

impl futures_core::Stream for Pieces {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let size = self.left.min(100);
        if size == 0 {
            return Poll::Ready(self.end.take().map(Err));
        }
        self.left -= size;
        self.read.set(self.read.get() + size);
        Poll::Ready(Some(Ok(vec![b'x'; size].into())))
    }
}

#[test]
fn body_over_the_limit_is_not_read_to_its_end() {
    for (size, is_allowed) in [(0, true), (1_000, true), (1_001, false), (usize::MAX, false)] {
        let read = Rc::<Cell<usize>>::default();
        let seen = Rc::clone(&read);
        let client = Client::new(OWN_HOST, move |_| {
            let pieces = Pieces { left: size, read: Rc::clone(&seen), end: None };
            Ok(Response::new(Body::Stream(Box::pin(pieces))))
        });
        let answer = client.get(URL, LIMITS);
        match is_allowed {
            true => assert_eq!(answer.unwrap().body().len(), size),
            false => assert_eq!(answer.unwrap_err(), OutboundError::TooLarge),
        }
        assert!(read.get() <= 1_100, "{size}");
    }
    let client = Client::new(OWN_HOST, |_| Ok(Response::new(vec![0; 1_001].into())));
    assert_eq!(client.get(URL, LIMITS).unwrap_err(), OutboundError::TooLarge);
}

#[test]
fn body_streams() {
    let client = Client::new(OWN_HOST, |_| {
        let pieces = Pieces { left: 1_000, read: Rc::default(), end: None };
        Ok(Response::new(Body::Stream(Box::pin(pieces))))
    });
    let fetch = Fetch::new(Method::GET, URL);
    let mut body = block_on(client.outbound.stranger(fetch, LIMITS)).unwrap().into_body();
    for _ in 0..10 {
        assert_eq!(block_on(body.next_piece()).unwrap().unwrap().len(), 100);
    }
    assert!(block_on(body.next_piece()).is_none());
}

#[test]
fn failures_of_the_other_server_are_told_apart() {
    let cut = BodyError::Interrupted("cut".to_owned());
    for (end, expected) in [
        (cut, OutboundError::Failed("cut".to_owned())),
        (BodyError::TimedOut, OutboundError::TimedOut),
    ] {
        let client = Client::new(OWN_HOST, move |_| {
            let pieces = Pieces { left: 10, read: Rc::default(), end: Some(end.clone()) };
            Ok(Response::new(Body::Stream(Box::pin(pieces))))
        });
        assert_eq!(client.get(URL, LIMITS).unwrap_err(), expected);
    }
    for (error, expected) in [
        (HttpError::TimedOut, OutboundError::TimedOut),
        (HttpError::Failed("no".to_owned()), OutboundError::Failed("no".to_owned())),
        (HttpError::Blocked("10.0.0.1".to_owned()), OutboundError::Blocked("10.0.0.1".to_owned())),
    ] {
        let client = Client::new(OWN_HOST, move |_| Err(error.clone()));
        assert_eq!(client.get(URL, LIMITS).unwrap_err(), expected);
    }
}

#[test]
fn content_type_of_a_success_must_be_on_the_list() {
    let limits = Limits { content_types: &["application/json", "text/plain"], ..LIMITS };
    for (status, content_type, is_allowed) in [
        (200, "application/json", true),
        (200, "Application/JSON ; charset=utf-8", true),
        (201, "text/plain", true),
        (200, "application/json5", false),
        (200, "text/html; application/json", false),
        (200, "", false),
        (206, "text/html", false),
        (404, "text/html", true),
        (302, "", true),
    ] {
        let client = Client::new(OWN_HOST, move |_| {
            let mut response = Response::builder().status(status);
            if !content_type.is_empty() {
                response = response.header("content-type", content_type);
            }
            Ok(response.body(Body::Empty).unwrap())
        });
        let answer = client.get(URL, limits);
        match is_allowed {
            true => assert_eq!(answer.unwrap().status(), status),
            false => {
                let expected = OutboundError::WrongType(content_type.to_owned());
                assert_eq!(answer.unwrap_err(), expected);
            }
        }
        assert_eq!(client.get(URL, LIMITS).unwrap().status(), status);
    }
}

#[test]
fn encoded_body_is_decoded_and_limited_by_its_decoded_size() {
    let gzip = |size: usize| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; size]).unwrap();
        encoder.finish().unwrap()
    };
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(&[0; 1_000]).unwrap();
    let bomb = gzip(50_000_000);
    assert!(bomb.len() < 60_000);
    for (coding, encoded, expected) in [
        ("gzip", gzip(1_000), Ok(1_000)),
        ("GZIP", gzip(1_000), Ok(1_000)),
        ("deflate", deflate.finish().unwrap(), Ok(1_000)),
        ("identity", vec![0; 1_000], Ok(1_000)),
        ("gzip", gzip(1_001), Err(OutboundError::TooLarge)),
        ("gzip", bomb, Err(OutboundError::TooLarge)),
        ("gzip", vec![0; 100], Err(OutboundError::Coding)),
        ("gzip", gzip(1_000)[..20].to_vec(), Err(OutboundError::Coding)),
        ("br", vec![0; 100], Err(OutboundError::Coding)),
        ("gzip, gzip", vec![0; 100], Err(OutboundError::Coding)),
    ] {
        let client = Client::new(OWN_HOST, move |_| {
            let response = Response::builder()
                .header("content-encoding", coding)
                .header("content-length", encoded.len());
            Ok(response.body(encoded.clone().into()).unwrap())
        });
        let answer = client.get(URL, LIMITS);
        if let Ok(response) = &answer {
            let is_decoded = coding != "identity";
            assert_eq!(response.headers().contains_key("content-length"), !is_decoded);
        }
        assert_eq!(answer.map(|response| response.body().len()), expected, "{coding}");
    }
}

#[test]
fn request_is_sent_with_its_headers_and_body() {
    let client = Client::new(OWN_HOST, |_| text(""));
    let pieces = Pieces { left: 250, read: Rc::default(), end: None };
    let fetch = Fetch::new(Method::PUT, URL)
        .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .with_body(Body::Stream(Box::pin(pieces)));
    client.send(fetch, LIMITS).unwrap();
    client.get(URL, LIMITS).unwrap();
    let sent = client.sent.take();
    assert_eq!((sent[0].method(), sent[0].body().len()), (&Method::PUT, 250));
    assert_eq!(sent[0].headers()["accept-encoding"], "identity");
    assert_eq!(sent[1].headers()["accept-encoding"], "gzip");
    assert!(sent[1].headers()["user-agent"].to_str().unwrap().starts_with("nacre/"));
    assert_eq!(sent[1].body(), "");
}

#[test]
fn time_of_redirects_counts_towards_the_total() {
    let limits = Limits { redirects: 9, total_time: Duration::from_secs(10), ..LIMITS };
    let host = Memory::new(1);
    let clock = host.clone();
    let client = Client::on(&host, &[], move |_| {
        clock.move_clock(4);
        Ok(Response::builder().status(302).header("location", "/").body(Body::Empty).unwrap())
    });
    let answer = client.get(URL, limits);
    assert_eq!(answer.unwrap_err(), OutboundError::TimedOut);
    assert_eq!(client.take_sent().len(), 3);
}
