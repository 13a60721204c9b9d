//! Writes DAG-CBOR with shortest heads. The caller writes keys in canonical order.

use alloc::vec::Vec;

use cid::Cid;
use nacre_syntax::Tid;

/// A frame that is being written.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Starts a frame with the header `{"op":1,"t":kind}`.
    pub(crate) fn message(kind: &str, capacity: usize) -> Self {
        let mut frame = Self(Vec::with_capacity(capacity));
        frame.map(2);
        frame.text("t", kind);
        frame.integer("op", 1);
        frame
    }

    /// Starts a frame with the header `{"op":-1}`.
    pub(crate) fn error(capacity: usize) -> Self {
        let mut frame = Self(Vec::with_capacity(capacity));
        frame.map(1);
        frame.integer("op", -1);
        frame
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Opens an object of this many entries.
    pub(crate) fn map(&mut self, entries: usize) {
        self.head(MAP, entries);
    }

    /// Writes a key and opens an array of this many items.
    pub(crate) fn array(&mut self, key: &str, items: usize) {
        self.string(key);
        self.head(ARRAY, items);
    }

    pub(crate) fn boolean(&mut self, key: &str, value: bool) {
        self.string(key);
        self.0.push(if value { TRUE } else { FALSE });
    }

    pub(crate) fn bytes(&mut self, key: &str, value: &[u8]) {
        self.string(key);
        self.head(BYTES, value.len());
        self.0.extend_from_slice(value);
    }

    pub(crate) fn integer(&mut self, key: &str, value: i64) {
        self.string(key);
        match u64::try_from(value) {
            Ok(value) => self.long_head(UNSIGNED, value),
            // CBOR counts negative numbers from -1 downwards.
            Err(_) => self.long_head(NEGATIVE, value.unsigned_abs() - 1),
        }
    }

    pub(crate) fn link(&mut self, key: &str, cid: &Cid) {
        self.string(key);
        self.0.extend_from_slice(&LINK_TAG);
        // The multibase prefix of binary, a zero, opens the bytes.
        self.head(BYTES, 1 + cid.encoded_len());
        self.0.push(0);
        cid.write_bytes(&mut self.0).expect("a Vec takes all bytes");
    }

    pub(crate) fn nullable_link(&mut self, key: &str, cid: Option<&Cid>) {
        match cid {
            Some(cid) => self.link(key, cid),
            None => self.null(key),
        }
    }

    pub(crate) fn null(&mut self, key: &str) {
        self.string(key);
        self.0.push(NULL);
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.string(key);
        self.string(value);
    }

    pub(crate) fn optional_text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(crate) fn tid(&mut self, key: &str, tid: Tid) {
        self.string(key);
        self.head(TEXT, Tid::LEN);
        self.0.extend_from_slice(&tid.to_ascii());
    }

    fn string(&mut self, text: &str) {
        self.head(TEXT, text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn head(&mut self, major: u8, len: usize) {
        self.long_head(major, u64::try_from(len).expect("a length in memory fits into 64 bits"));
    }

    fn long_head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        let [.., e, f, g, h] = value.to_be_bytes();
        match value {
            0..24 => self.0.push(major | h),
            24..0x100 => self.0.extend_from_slice(&[major | 24, h]),
            0x100..0x1_0000 => self.0.extend_from_slice(&[major | 25, g, h]),
            0x1_0000..0x1_0000_0000 => self.0.extend_from_slice(&[major | 26, e, f, g, h]),
            _ => {
                self.0.push(major | 27);
                self.0.extend_from_slice(&value.to_be_bytes());
            }
        }
    }
}

pub(crate) const UNSIGNED: u8 = 0;
pub(crate) const NEGATIVE: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const MAP: u8 = 5;
pub(crate) const TAG: u8 = 6;

pub(crate) const FALSE: u8 = 0xf4;
pub(crate) const TRUE: u8 = 0xf5;
pub(crate) const NULL: u8 = 0xf6;

/// Tag 42, which marks a link.
pub(crate) const LINK_TAG: [u8; 2] = [0xd8, 42];
