#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

mod digest;
mod error;
mod head;
mod key;
mod link;
mod reader;
mod skip;
mod writer;

pub use digest::Digest;
pub use error::ReadError;
pub use head::{AnyHead, Head, Major};
pub use key::{Key, Keys, compare_keys};
pub use link::{CID_BYTES, CidStart, Link, split_cid, starts_with_cid};
pub use reader::Reader;
pub use writer::{
    head_len, write_array, write_bool, write_bytes, write_cid, write_digest, write_head,
    write_integer, write_key, write_len, write_link, write_map, write_null, write_text,
};

/// The length of the longest head.
pub const MAX_HEAD_BYTES: usize = 9;

/// The initial byte of `false`.
pub const FALSE: u8 = 0xf4;

/// The initial byte of `true`.
pub const TRUE: u8 = 0xf5;

/// The initial byte of `null`.
pub const NULL: u8 = 0xf6;

/// The tag of a link.
pub const LINK_TAG: u64 = 42;

/// The encoding of a link to a DAG-CBOR block, up to its digest of 32 bytes: tag 42, a byte string
/// of 37, the identity multibase, CIDv1, DAG-CBOR, SHA-256, 32 bytes.
pub const LINK_START: [u8; 9] = [0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20];
