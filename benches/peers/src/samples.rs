//! The small things that the adapters share.

use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use sha2::{Digest as _, Sha256};
use shrike::cbor::Value;

use crate::data::{Digest, post_of_370_bytes};
use crate::row::Row;

/// The post of the codec rows, as DAG-CBOR and as JSON.
#[derive(Clone, Copy)]
pub struct Post {
    pub cbor: &'static [u8],
    pub json: &'static str,
}

impl Post {
    pub fn new() -> Self {
        static POST: LazyLock<(Vec<u8>, String)> = LazyLock::new(|| {
            let cbor = post_of_370_bytes();
            let mut json = Vec::new();
            shrike::cbor::json::drisl_to_json_into(&cbor, &mut json).expect("a post");
            (cbor, String::from_utf8(json).expect("JSON is text"))
        });
        Self { cbor: &POST.0, json: &POST.1 }
    }
}

/// A record that is held against the schema of its collection.
#[derive(Clone, Copy)]
pub struct Valid {
    pub collection: &'static str,
    pub json: &'static str,
}

impl Valid {
    /// Returns the record of a row, if it is one of those.
    pub fn of(row: Row) -> Option<Self> {
        let (collection, json) = match row {
            Row::ValidatePost => ("app.bsky.feed.post", Post::new().json),
            Row::ValidateLike => ("app.bsky.feed.like", LIKE),
            Row::ValidateFollow => ("app.bsky.graph.follow", FOLLOW),
            Row::ValidateProfile => ("app.bsky.actor.profile", PROFILE),
            _ => return None,
        };
        Some(Self { collection, json })
    }
}

const LIKE: &str = r#"{ "$type": "app.bsky.feed.like", "createdAt": "2026-11-22T21:30:00.000Z",
    "subject": { "cid": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a",
        "uri": "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3jzfcijpj2z2a" } }"#;

const FOLLOW: &str = r#"{ "$type": "app.bsky.graph.follow",
    "createdAt": "2026-11-22T21:30:00.000Z", "subject": "did:plc:ewvi7nxzyoun6zhxrhs64oiz" }"#;

const PROFILE: &str = r#"{ "$type": "app.bsky.actor.profile",
    "avatar": { "$type": "blob", "mimeType": "image/jpeg", "size": 23456,
        "ref": { "$link": "bafkreiabxtdmcjyc6wqrghg57xv6t6duarjz4t2s7o2jmxhkfcy2kqrdzi" } },
    "banner": { "$type": "blob", "mimeType": "image/png", "size": 234567,
        "ref": { "$link": "bafkreiabxtdmcjyc6wqrghg57xv6t6duarjz4t2s7o2jmxhkfcy2kqrdzi" } },
    "createdAt": "2026-11-22T21:30:00.000Z", "description": "Mother of pearl, seen from below.",
    "displayName": "Nacre" }"#;

/// The post's fields, for encoders that are told what to write by the code of their user.
pub struct PostValue {
    pub text: &'static str,
    pub kind: &'static str,
    pub langs: Vec<&'static str>,
    pub facets: Vec<LinkFacet>,
    pub created_at: &'static str,
}

pub struct LinkFacet {
    pub byte_start: i64,
    pub byte_end: i64,
    pub uri: &'static str,
    pub kind: &'static str,
}

impl Post {
    pub fn value(self) -> &'static PostValue {
        let value = shrike::cbor::decode(self.cbor).expect("a post");
        let facet = &items(field(&value, "facets"))[0];
        let (index, feature) = (field(facet, "index"), &items(field(facet, "features"))[0]);
        let facet = LinkFacet {
            byte_start: number(field(index, "byteStart")),
            byte_end: number(field(index, "byteEnd")),
            uri: text(field(feature, "uri")),
            kind: text(field(feature, "$type")),
        };
        Box::leak(Box::new(PostValue {
            text: text(field(&value, "text")),
            kind: text(field(&value, "$type")),
            langs: items(field(&value, "langs")).iter().map(text).collect(),
            facets: vec![facet],
            created_at: text(field(&value, "createdAt")),
        }))
    }
}

fn field<'v>(value: &'v Value<'static>, name: &str) -> &'v Value<'static> {
    let Value::Map(fields) = value else { panic!("a map") };
    &fields.iter().find(|(key, _)| *key == name).expect("a field").1
}

fn items<'v>(value: &'v Value<'static>) -> &'v [Value<'static>] {
    let Value::Array(items) = value else { panic!("an array") };
    items
}

fn text(value: &Value<'static>) -> &'static str {
    let Value::Text(text) = value else { panic!("text") };
    text
}

fn number(value: &Value<'static>) -> i64 {
    let Value::Unsigned(number) = value else { panic!("a number") };
    i64::try_from(*number).expect("a small number")
}

/// What all libraries sign, and with what.
pub const MESSAGE: [u8; 150] = [0x61; 150];
pub const KEY: [u8; 32] = [7; 32];

/// Where nodes are kept that a library hands out one by one: buffers that are not moved, so that
/// no more is held than the nodes take.
#[derive(Default)]
pub struct Arena {
    buffers: Vec<Vec<u8>>,
    /// Each block's digest, its buffer and its place there.
    list: Vec<(Digest, u32, u32, u32)>,
}

impl Arena {
    pub fn push(&mut self, digest: Digest, block: &[u8]) {
        let room = |buffer: &Vec<u8>| buffer.capacity() - buffer.len() >= block.len();
        if !self.buffers.last().is_some_and(room) {
            self.buffers.push(Vec::with_capacity(ARENA_BYTES.max(block.len())));
        }
        let index = self.buffers.len() - 1;
        let buffer = &mut self.buffers[index];
        let start = buffer.len() as u32;
        buffer.extend_from_slice(block);
        self.list.push((digest, index as u32, start, buffer.len() as u32));
    }

    pub fn blocks(&self) -> impl Iterator<Item = (Digest, &[u8])> {
        self.list.iter().map(|&(digest, buffer, start, end)| {
            (digest, &self.buffers[buffer as usize][start as usize..end as usize])
        })
    }
}

/// Where a CAR is written to: a buffer that is handed on when it is full and used again, as a
/// server does with what it sends.
pub struct Chunks {
    buffer: Vec<u8>,
    /// Kept only to compare what libraries write.
    hash: Option<Sha256>,
    pub length: usize,
}

impl Chunks {
    pub fn new() -> Self {
        let hash = COMPARING.load(Relaxed).then(Sha256::new);
        Self { buffer: Vec::with_capacity(2 * CHUNK_BYTES), hash, length: 0 }
    }

    /// Takes a piece that the library holds already.
    pub fn send(&mut self, piece: &[u8]) {
        let piece = std::hint::black_box(piece);
        self.length += piece.len();
        if let Some(hash) = &mut self.hash {
            hash.update(piece);
        }
    }

    fn hand_on(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.send(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
    }

    pub fn answer(mut self) -> Vec<u8> {
        self.hand_on();
        let hash = self.hash.map(|hash| hash.finalize().to_vec()).unwrap_or_default();
        [hash, self.length.to_le_bytes().to_vec()].concat()
    }
}

impl Write for Chunks {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.hand_on();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether results are compared at the moment, and not timed.
pub static COMPARING: AtomicBool = AtomicBool::new(false);

pub const CHUNK_BYTES: usize = 64 * 1024;

const ARENA_BYTES: usize = 256 * 1024;
