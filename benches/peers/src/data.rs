//! The records of a repository such as a person has after some years: 45 % likes, 30 % posts,
//! 12 % reposts, 8 % follows, the rest blocks, list entries, threadgates and one profile.
//!
//! The same on every machine and in every run.

use sha2::{Digest as _, Sha256};

use crate::rng::Rng;

/// The SHA-256 of a block. Every CID here is version 1, DAG-CBOR, SHA-256 of one.
pub type Digest = [u8; 32];

/// The account whose repository this is.
pub const DID: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";

pub fn digest(block: &[u8]) -> Digest {
    Sha256::digest(block).into()
}

/// Returns the CID's 36 bytes.
pub fn cid_bytes(digest: &Digest) -> [u8; 36] {
    let mut bytes = [0; 36];
    bytes[..4].copy_from_slice(&[0x01, 0x71, 0x12, 0x20]);
    bytes[4..].copy_from_slice(digest);
    bytes
}

/// A record, its place in the tree and its block.
pub struct Entry {
    pub key: String,
    pub digest: Digest,
    start: usize,
    end: usize,
}

pub struct Data {
    /// In the order in which they were made.
    pub entries: Vec<Entry>,
    /// Their indices in the order of their keys.
    pub sorted: Vec<usize>,
    bytes: Vec<u8>,
}

impl Data {
    pub fn new(size: usize) -> Self {
        let mut rng = Rng::new(0x6e61_6372_6500);
        let mut bytes = Vec::with_capacity(size * 256);
        let mut micros = EPOCH_MICROS;
        let mut entries = Vec::with_capacity(size);
        for index in 0..size {
            micros += STEP_MICROS / 2 + rng.next() % STEP_MICROS;
            let collection = if index == 0 { PROFILE } else { collection(&mut rng) };
            let key = match collection {
                PROFILE => format!("{PROFILE}/self"),
                _ => format!("{collection}/{}", tid(micros, CLOCK)),
            };
            let start = bytes.len();
            write_record(&mut bytes, &mut rng, collection, micros);
            let end = bytes.len();
            entries.push(Entry { key, digest: digest(&bytes[start..end]), start, end });
        }
        let mut sorted: Vec<usize> = (0..size).collect();
        sorted.sort_by(|&a, &b| entries[a].key.cmp(&entries[b].key));
        Self { entries, sorted, bytes }
    }

    pub fn record(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start..entry.end]
    }

    pub fn in_key_order(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.sorted.iter().map(|&index| &self.entries[index])
    }

    /// Returns a key that is not in the repository, at a time within it.
    pub fn new_key(&self, rng: &mut Rng) -> String {
        let span = self.entries.len() as u64 * STEP_MICROS;
        let micros = EPOCH_MICROS + rng.next() % span;
        // Another clock than that of the keys that are there.
        format!("{}/{}", collection(rng), tid(micros, CLOCK + 1))
    }
}

fn collection(rng: &mut Rng) -> &'static str {
    match rng.below(100) {
        0..45 => "app.bsky.feed.like",
        45..75 => "app.bsky.feed.post",
        75..87 => "app.bsky.feed.repost",
        87..95 => "app.bsky.graph.follow",
        95..97 => "app.bsky.graph.block",
        97..99 => "app.bsky.graph.listitem",
        _ => "app.bsky.feed.threadgate",
    }
}

fn tid(micros: u64, clock: u64) -> String {
    let number = micros << 10 | clock;
    let digit = |index: u64| char::from(SORTABLE[(number >> (60 - 5 * index) & 31) as usize]);
    (0..13).map(digit).collect()
}

/// Writes the record's DAG-CBOR. The keys of each map are written in their canonical order:
/// shorter ones first, then by their bytes.
fn write_record(out: &mut Vec<u8>, rng: &mut Rng, collection: &str, micros: u64) {
    let at = datetime(micros);
    match collection {
        "app.bsky.feed.like" | "app.bsky.feed.repost" => {
            map(out, 3);
            pair(out, "$type", collection);
            text(out, "subject");
            write_reference(out, rng);
            pair(out, "createdAt", &at);
        }
        "app.bsky.feed.post" => write_post(out, rng, &at),
        "app.bsky.graph.listitem" => {
            map(out, 4);
            pair(out, "list", &post_uri(rng));
            pair(out, "$type", collection);
            pair(out, "subject", &did(rng));
            pair(out, "createdAt", &at);
        }
        "app.bsky.feed.threadgate" => {
            map(out, 4);
            pair(out, "post", &post_uri(rng));
            pair(out, "$type", collection);
            text(out, "allow");
            head(out, 4, 1);
            map(out, 1);
            pair(out, "$type", "app.bsky.feed.threadgate#mentionRule");
            pair(out, "createdAt", &at);
        }
        PROFILE => {
            map(out, 5);
            pair(out, "$type", collection);
            text(out, "avatar");
            write_blob(out, rng);
            pair(out, "createdAt", &at);
            pair(out, "description", &words(rng, 120));
            pair(out, "displayName", &words(rng, 16));
        }
        _ => {
            map(out, 3);
            pair(out, "$type", collection);
            pair(out, "subject", &did(rng));
            pair(out, "createdAt", &at);
        }
    }
}

fn write_post(out: &mut Vec<u8>, rng: &mut Rng, at: &str) {
    let has_image = rng.below(100) < 15;
    let is_reply = rng.below(100) < 30;
    let has_link = rng.below(100) < 15;
    let length = rng.between(20, 240);
    let body = words(rng, length);
    map(out, 4 + u64::from(has_image) + u64::from(is_reply) + u64::from(has_link));
    pair(out, "text", &body);
    pair(out, "$type", "app.bsky.feed.post");
    if has_image {
        text(out, "embed");
        map(out, 2);
        pair(out, "$type", "app.bsky.embed.images");
        text(out, "images");
        head(out, 4, 1);
        map(out, 2);
        pair(out, "alt", &words(rng, 40));
        text(out, "image");
        write_blob(out, rng);
    }
    text(out, "langs");
    head(out, 4, 1);
    text(out, "en");
    if is_reply {
        text(out, "reply");
        map(out, 2);
        text(out, "root");
        write_reference(out, rng);
        text(out, "parent");
        write_reference(out, rng);
    }
    if has_link {
        let length = rng.between(20, 60);
        let uri = format!("https://example.com/{}", rng.text(HEX, length));
        write_facets(out, body.len() as u64, &uri);
    }
    pair(out, "createdAt", at);
}

/// Returns the record of the codec rows: a post of 370 bytes with a link and some text that is not
/// ASCII.
pub fn post_of_370_bytes() -> Vec<u8> {
    let mut rng = Rng::new(370);
    let uri = "https://example.com/a-page-of-some-name";
    let mut length = 60;
    loop {
        let body = format!("Grüße aus Zürich — 日本語も少し. {}", words(&mut rng, length));
        let mut out = Vec::new();
        map(&mut out, 5);
        pair(&mut out, "text", &body);
        pair(&mut out, "$type", "app.bsky.feed.post");
        text(&mut out, "langs");
        head(&mut out, 4, 2);
        text(&mut out, "de");
        text(&mut out, "ja");
        write_facets(&mut out, body.len() as u64, uri);
        pair(&mut out, "createdAt", &datetime(EPOCH_MICROS));
        match out.len() {
            370 => return out,
            less if less < 370 => length += 1,
            _ => length -= 1,
        }
    }
}

fn write_facets(out: &mut Vec<u8>, end: u64, uri: &str) {
    text(out, "facets");
    head(out, 4, 1);
    map(out, 2);
    text(out, "index");
    map(out, 2);
    text(out, "byteEnd");
    head(out, 0, end);
    text(out, "byteStart");
    head(out, 0, end / 2);
    text(out, "features");
    head(out, 4, 1);
    map(out, 2);
    pair(out, "uri", uri);
    pair(out, "$type", "app.bsky.richtext.facet#link");
}

fn write_reference(out: &mut Vec<u8>, rng: &mut Rng) {
    map(out, 2);
    pair(out, "cid", &format!("bafyrei{}", rng.text(BASE32, 52)));
    pair(out, "uri", &post_uri(rng));
}

fn write_blob(out: &mut Vec<u8>, rng: &mut Rng) {
    map(out, 4);
    text(out, "ref");
    let mut cid = cid_bytes(&rng.bytes32());
    cid[1] = 0x55;
    write_link(out, &cid);
    text(out, "size");
    head(out, 0, rng.between(20_000, 900_000) as u64);
    pair(out, "$type", "blob");
    pair(out, "mimeType", "image/jpeg");
}

/// Writes the block of the commit. The signature is none: no row looks at it.
pub fn commit_block(root: &Digest) -> Vec<u8> {
    let mut out = Vec::new();
    map(&mut out, 6);
    pair(&mut out, "did", DID);
    pair(&mut out, "rev", &tid(EPOCH_MICROS, CLOCK));
    text(&mut out, "sig");
    head(&mut out, 2, 64);
    out.extend_from_slice(&[0x5a; 64]);
    text(&mut out, "data");
    write_link(&mut out, &cid_bytes(root));
    text(&mut out, "prev");
    out.push(0xf6);
    text(&mut out, "version");
    head(&mut out, 0, 3);
    out
}

/// Writes the header of a CAR and its length.
pub fn car_header(root: &Digest) -> Vec<u8> {
    let mut header = Vec::new();
    map(&mut header, 2);
    text(&mut header, "roots");
    head(&mut header, 4, 1);
    write_link(&mut header, &cid_bytes(root));
    text(&mut header, "version");
    head(&mut header, 0, 1);
    let mut out = varint(header.len());
    out.extend_from_slice(&header);
    out
}

/// Writes a block as it stands in a CAR.
pub fn car_block(out: &mut Vec<u8>, digest: &Digest, block: &[u8]) {
    out.extend_from_slice(&varint(36 + block.len()));
    out.extend_from_slice(&cid_bytes(digest));
    out.extend_from_slice(block);
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn did(rng: &mut Rng) -> String {
    format!("did:plc:{}", rng.text(BASE32, 24))
}

fn post_uri(rng: &mut Rng) -> String {
    format!("at://{}/app.bsky.feed.post/3l{}", did(rng), rng.text(SORTABLE, 11))
}

fn words(rng: &mut Rng, length: usize) -> String {
    let mut out = String::new();
    while out.len() < length {
        let word = rng.between(2, 9);
        out.push_str(&rng.text(b"etaoinshrdlcumwfgypbvk", word));
        out.push(' ');
    }
    out.truncate(length);
    out
}

/// Returns a time of 24 characters. Which day it is does not matter to anybody.
fn datetime(micros: u64) -> String {
    let millis = micros / 1000;
    let (second, minute, hour) =
        (millis / 1000 % 60, millis / 60_000 % 60, millis / 3_600_000 % 24);
    let day = millis / 86_400_000 % 336;
    let (month, day) = (day / 28 + 1, day % 28 + 1);
    format!("2024-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", millis % 1000)
}

fn map(out: &mut Vec<u8>, pairs: u64) {
    head(out, 5, pairs);
}

fn pair(out: &mut Vec<u8>, key: &str, value: &str) {
    text(out, key);
    text(out, value);
}

fn text(out: &mut Vec<u8>, value: &str) {
    head(out, 3, value.len() as u64);
    out.extend_from_slice(value.as_bytes());
}

fn write_link(out: &mut Vec<u8>, cid: &[u8]) {
    out.extend_from_slice(&[0xd8, 0x2a]);
    head(out, 2, 1 + cid.len() as u64);
    out.push(0);
    out.extend_from_slice(cid);
}

fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    match value {
        0..24 => out.push(major | value as u8),
        24..0x100 => out.extend_from_slice(&[major | 24, value as u8]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend_from_slice(&(value as u16).to_be_bytes());
        }
        _ => {
            out.push(major | 26);
            out.extend_from_slice(&(value as u32).to_be_bytes());
        }
    }
}

const PROFILE: &str = "app.bsky.actor.profile";
const EPOCH_MICROS: u64 = 1_682_000_000_000_000;
/// Ten minutes: the mean time between two records.
const STEP_MICROS: u64 = 600_000_000;
const CLOCK: u64 = 23;
const SORTABLE: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const HEX: &[u8; 16] = b"0123456789abcdef";
