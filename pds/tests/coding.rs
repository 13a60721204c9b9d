//! `Content-Encoding` of request bodies.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use std::io::Write as _;

use bytes::Bytes;
use client::cars::{assert_repository_is, pieces, source, target, upload};
use client::{Answer, Client, DID, NOTE, a_note, request};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use nacre_pds::body::{Body, Request};
use nacre_pds::body::{Coding, CodingError, Decoder, Step};
use proptest::prelude::*;
use serde_json::json;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Decodes a body that arrives in chunks of this size.
fn decode(coding: Coding, encoded: &[u8], size: usize) -> Result<Vec<u8>, CodingError> {
    let mut decoder = Decoder::new(coding);
    let mut decoded = Vec::new();
    let mut arriving = encoded.chunks(size);
    loop {
        match decoder.pull()? {
            Step::Piece(piece) => {
                assert!((1..=64 * 1024).contains(&piece.len()));
                decoded.extend_from_slice(&piece);
            }
            Step::NeedMore => match arriving.next() {
                Some(piece) => decoder.push(Bytes::copy_from_slice(piece)),
                None => decoder.finish(),
            },
            Step::End => return Ok(decoded),
        }
    }
}

/// Bytes that compress, but not extremely well.
fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * at / 7 + at % 11) % 97).unwrap()).collect()
}

#[test]
fn bodies_decode_at_any_chunk_size() {
    let text = text(150_000);
    let (first, second) = text.split_at(70_001);
    let members = [gzip(first), gzip(b""), gzip(second)].concat();
    for (coding, encoded) in [
        (Coding::Gzip, gzip(&text)),
        (Coding::Gzip, members),
        (Coding::Deflate, zlib(&text)),
        (Coding::Deflate, deflate(&text)),
        (Coding::Identity, text.clone()),
    ] {
        for size in [1, 2, 3, 1_000, usize::MAX] {
            assert_eq!(decode(coding, &encoded, size).as_ref(), Ok(&text), "{coding:?} {size}");
        }
    }
}

#[test]
fn empty_body_decodes_to_nothing() {
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Identity] {
        assert_eq!(decode(coding, b"", 1), Ok(Vec::new()));
    }
    assert_eq!(decode(Coding::Gzip, &gzip(b""), 1), Ok(Vec::new()));
    assert_eq!(decode(Coding::Deflate, &zlib(b""), 1), Ok(Vec::new()));
    assert_eq!(decode(Coding::Deflate, &deflate(b""), 1), Ok(Vec::new()));
}

#[test]
fn truncated_body_fails() {
    let text = text(300);
    for (coding, encoded) in [
        (Coding::Gzip, gzip(&text)),
        (Coding::Deflate, zlib(&text)),
        (Coding::Deflate, deflate(&text)),
    ] {
        for len in 1..encoded.len() {
            for size in [1, usize::MAX] {
                assert_eq!(decode(coding, &encoded[..len], size), Err(CodingError), "{len}");
            }
        }
    }
}

#[test]
fn body_with_trailing_data_fails() {
    for (coding, encoded) in [
        (Coding::Gzip, gzip(b"pearl")),
        (Coding::Deflate, zlib(b"pearl")),
        (Coding::Deflate, deflate(b"pearl")),
    ] {
        for trailing in [b"\0".as_slice(), b"garbage", b"\x1f", b"\x1f\x8b"] {
            let body = [&encoded, trailing].concat();
            for size in [1, encoded.len(), usize::MAX] {
                assert_eq!(decode(coding, &body, size), Err(CodingError), "{coding:?} {size}");
            }
        }
    }
}

#[test]
fn wrong_checksum_fails() {
    let mut encoded = gzip(b"pearl");
    let at = encoded.len() - 8;
    encoded[at] ^= 1;
    assert_eq!(decode(Coding::Gzip, &encoded, usize::MAX), Err(CodingError));
    let mut encoded = zlib(b"pearl");
    *encoded.last_mut().unwrap() ^= 1;
    assert_eq!(decode(Coding::Deflate, &encoded, usize::MAX), Err(CodingError));
}

#[test]
fn body_of_too_many_empty_members_fails() {
    let members = gzip(b"").repeat(1_000);
    assert_eq!(decode(Coding::Gzip, &members, 100), Ok(Vec::new()));
    let members = gzip(b"").repeat(10_000);
    assert_eq!(decode(Coding::Gzip, &members, 100), Err(CodingError));
}

proptest! {
    #[test]
    fn arbitrary_bytes_decode_or_fail(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        size in 1..50_usize,
        head in prop::sample::select(vec![b"".as_slice(), b"\x1f\x8b\x08", b"\x78\x9c"]),
    ) {
        let body = [head, &bytes].concat();
        for coding in [Coding::Gzip, Coding::Deflate] {
            let decoded = decode(coding, &body, size);
            prop_assert_eq!(decoded, decode(coding, &body, usize::MAX));
        }
        let encoded = [gzip(&bytes), gzip(&bytes)].concat();
        prop_assert_eq!(decode(Coding::Gzip, &encoded, size), Ok(bytes.repeat(2)));
    }
}

/// Calls a method with this body and these `Content-Encoding` headers.
fn call(client: &Client, method: &str, coding: &[&str], body: Vec<u8>) -> Answer {
    let path = format!("/xrpc/{method}");
    client.send(encoded(request("POST", &path, Some(&client.access), body.into()), coding))
}

fn encoded(mut request: Request, coding: &[&str]) -> Request {
    for coding in coding {
        request.headers_mut().append("content-encoding", coding.parse().unwrap());
    }
    request
}

fn note() -> Vec<u8> {
    let input = json!({ "repo": DID, "collection": NOTE, "record": a_note("x") });
    input.to_string().into_bytes()
}

const CREATE: &str = "com.atproto.repo.createRecord";

#[test]
fn encoded_json_is_decoded() {
    let client = Client::new();
    for (coding, body) in [
        (&["gzip"][..], gzip(&note())),
        (&["X-GZip"], gzip(&note())),
        (&[" GZIP ,"], gzip(&note())),
        (&["deflate"], zlib(&note())),
        (&["deflate"], deflate(&note())),
        (&["identity"], note()),
        (&[""], note()),
        (&[" , "], note()),
        (&[], note()),
        (&["gzip"], gzip(&[b"\xef\xbb\xbf", note().as_slice()].concat())),
    ] {
        call(&client, CREATE, coding, body).json(200);
    }
    client::verify(&client);
}

#[test]
fn unsupported_codings_are_refused() {
    let client = Client::new();
    let before = client.head();
    for (coding, named) in [
        (&["zstd"][..], "zstd"),
        (&["br"], "br"),
        (&["compress"], "compress"),
        (&["gzip;q=1"], "gzip;q=1"),
        (&["*"], "*"),
        (&["gzip, br"], "more than one coding"),
        (&["gzip, gzip"], "more than one coding"),
        (&["gzip", "deflate"], "more than one coding"),
        (&["identity, gzip"], "more than one coding"),
        (&["gzip\u{e9}"], "not ASCII"),
    ] {
        let message =
            format!("unsupported Content-Encoding: {named}; send gzip, deflate or identity");
        for (method, body) in [
            (CREATE, note()),
            ("com.atproto.repo.uploadBlob", b"pearl".to_vec()),
            ("com.atproto.repo.importRepo", b"pearl".to_vec()),
            ("com.atproto.server.activateAccount", b"pearl".to_vec()),
            ("com.atproto.sync.requestCrawl", br#"{"hostname":"a.test"}"#.to_vec()),
        ] {
            let answer = call(&client, method, coding, body);
            answer.refuses(415, "UnsupportedMediaType", &message);
        }
    }
    assert_eq!(client.head(), before);
    // The header is ignored if there is no body.
    let path = "/xrpc/com.atproto.server.describeServer";
    client.send(encoded(request("GET", path, None, Body::Empty), &["br"])).json(200);
}

#[test]
fn undecodable_body_is_refused() {
    let (active, inactive) = (Client::new(), target());
    let before = (active.head(), inactive.head());
    let car = source(3).export();
    for (client, method, content_type, body) in [
        (&active, CREATE, "application/json", note()),
        (&active, "com.atproto.repo.uploadBlob", "text/plain", b"pearl".to_vec()),
        (&inactive, "com.atproto.repo.importRepo", "application/vnd.ipld.car", car),
    ] {
        let truncated = gzip(&body).split_last().unwrap().1.to_vec();
        let trailing = [gzip(&body), b"garbage".to_vec()].concat();
        for encoded_body in [body, truncated, trailing] {
            let path = format!("/xrpc/{method}");
            let mut request = request("POST", &path, Some(&client.access), encoded_body.into());
            request.headers_mut().insert("content-type", content_type.parse().unwrap());
            let answer = client.send(encoded(request, &["gzip"]));
            answer.refuses(400, "InvalidRequest", "unable to decode the request body");
        }
    }
    assert_eq!((active.head(), inactive.head()), before);
}

#[test]
fn body_limit_counts_decoded_bytes() {
    let client = Client::new();
    let bomb = gzip(&vec![b' '; 10 * 1024 * 1024]);
    assert!(bomb.len() < 150 * 1024);
    for method in [CREATE, "com.atproto.server.createSession"] {
        let answer = call(&client, method, &["gzip"], bomb.clone());
        answer.refuses(413, "PayloadTooLargeError", "request entity too large");
    }
}

#[test]
fn encoded_import_is_decoded_as_it_arrives() {
    let source = source(300);
    let car = source.export();
    for (coding, body) in [
        ("gzip", gzip(&car)),
        ("gzip", [gzip(&car[..1_000]), gzip(&car[1_000..])].concat()),
        ("deflate", zlib(&car)),
    ] {
        let client = target();
        let request = upload(&client, pieces(&body, 777, None));
        assert_eq!(client.send(encoded(request, &[coding])).status, 200);
        assert_repository_is(&client, &car);
    }
}

#[test]
fn byte_order_mark_before_json_is_skipped() {
    let client = Client::new();
    let marked = |times: usize| [b"\xef\xbb\xbf".repeat(times), note()].concat();
    call(&client, CREATE, &[], marked(1)).json(200);
    let answer = call(&client, CREATE, &[], marked(2));
    answer.refuses(400, "InvalidRequest", "Input must be an object");
}

#[test]
fn empty_body_counts_as_missing_json() {
    let client = Client::new();
    let message = "A request body is expected but none was provided";
    for coding in [&[][..], &["gzip"]] {
        call(&client, CREATE, coding, Vec::new()).refuses(400, "InvalidRequest", message);
    }
    call(&client, CREATE, &["gzip"], gzip(b"")).refuses(400, "InvalidRequest", message);
}
