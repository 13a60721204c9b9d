//! Writes frames. The caller writes keys in canonical order.

use alloc::vec::Vec;

use cid::Cid;
use nacre_cbor::{
    Major, write_array, write_bool, write_bytes, write_cid, write_integer, write_len, write_map,
    write_null, write_text,
};
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
        write_map(&mut self.0, entries);
    }

    /// Writes a key and opens an array of this many items.
    pub(crate) fn array(&mut self, key: &str, items: usize) {
        self.string(key);
        write_array(&mut self.0, items);
    }

    pub(crate) fn boolean(&mut self, key: &str, value: bool) {
        self.string(key);
        write_bool(&mut self.0, value);
    }

    pub(crate) fn bytes(&mut self, key: &str, value: &[u8]) {
        self.string(key);
        write_bytes(&mut self.0, value);
    }

    pub(crate) fn integer(&mut self, key: &str, value: i64) {
        self.string(key);
        write_integer(&mut self.0, value);
    }

    pub(crate) fn link(&mut self, key: &str, cid: &Cid) {
        self.string(key);
        write_cid(&mut self.0, cid);
    }

    pub(crate) fn nullable_link(&mut self, key: &str, cid: Option<&Cid>) {
        match cid {
            Some(cid) => self.link(key, cid),
            None => self.null(key),
        }
    }

    pub(crate) fn null(&mut self, key: &str) {
        self.string(key);
        write_null(&mut self.0);
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
        write_len(&mut self.0, Major::Text, Tid::LEN);
        self.0.extend_from_slice(&tid.to_ascii());
    }

    fn string(&mut self, text: &str) {
        write_text(&mut self.0, text);
    }
}
