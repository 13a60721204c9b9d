#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

mod base64;
mod blob;
mod blob_shape;
mod cbor;
mod decode;
mod encode;
mod error;
mod json;
mod link;
mod loose;
mod print;
mod record;
mod schema;
mod utf8;
mod writer;

pub use blob::{BlobRef, Blobs, LegacyBlobRef, blobs};
pub use decode::check;
pub use encode::to_cbor;
pub use error::{CborError, DataError, EncodeError, RecordError};
pub use loose::{ReferencedBlob, inspect, referenced_blobs, to_json_lossy};
pub use print::to_json;
pub use record::{Record, cid_for, record_from_json, record_from_json_upgrading};
pub use schema::{
    Catalogue, Document, Fault, Invalid, KeyRule, MAX_CATALOGUE_BYTES, MAX_DOCUMENTS, MethodKind,
    MethodSchema, Reason, RecordSchema, Resolver, SchemaError, Subject, compile,
};
pub use writer::{ArrayWriter, ObjectWriter, ValueWriter, write_object};

/// The longest DAG-CBOR that is read or written, in bytes.
pub const MAX_CBOR_BYTES: usize = 1024 * 1024;

/// The deepest nesting of objects and arrays, counting the outermost object.
pub const MAX_DEPTH: usize = 128;

/// The most entries of an object or items of an array.
pub const MAX_ITEMS: usize = 131_072;

/// The largest integer of the data model, 2^53 - 1. The smallest is its negative.
///
/// JavaScript numbers represent all integers in this range exactly.
pub const MAX_INTEGER: i64 = 9_007_199_254_740_991;

/// The longest JSON text that is read, in bytes.
pub const MAX_JSON_BYTES: usize = 2 * 1024 * 1024;

/// The deepest nesting of arrays, maps and tags in a stored record outside the data model.
pub const MAX_LOOSE_DEPTH: usize = 1024;

/// The longest object key, in bytes.
pub const MAX_KEY_BYTES: usize = 8192;

/// The longest record that [`record_from_json`] returns and [`inspect`] accepts, in bytes.
pub const MAX_RECORD_BYTES: usize = 1_000_000;
