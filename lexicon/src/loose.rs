//! Stored records outside the data model, as old repositories contain them.
//!
//! Their bytes must be kept, because commits are signed over them. [`inspect`] classifies a stored
//! record, [`to_json_lossy`] prints it, and [`referenced_blobs`] finds the blobs that it refers to.
//!
//! Well-formedness: <https://www.rfc-editor.org/rfc/rfc8949#name-well-formedness-errors-and->

mod blobs;
mod json;
mod reader;

use cid::Cid;

pub use self::{
    blobs::{ReferencedBlob, referenced_blobs},
    json::to_json_lossy,
};
use crate::{CborError, DataError, MAX_RECORD_BYTES, check};

/// Classifies the bytes of a record: valid data, other well-formed CBOR, or garbage.
///
/// Returns `None` if [`check`] accepts the bytes. For any other well-formed CBOR item, returns the
/// rule of the data model that it breaks. Such a record can be stored and shown, but not written
/// today.
///
/// The input may have [`MAX_RECORD_BYTES`], and nest [`MAX_LOOSE_DEPTH`](crate::MAX_LOOSE_DEPTH)
/// arrays, maps and tags. Does not recurse. Memory only grows with the depth.
///
/// ```
/// use nacre_lexicon::{CborError, DataError, inspect};
///
/// assert_eq!(inspect(b"\xa1\x61n\x01"), Ok(None));
/// assert_eq!(inspect(b"\xa1\x61n\xf9\x3e\x00"), Ok(Some(DataError::Float)));
/// assert_eq!(inspect(b"\xa1\x61n"), Err(CborError::Truncated));
/// ```
///
/// # Errors
///
/// [`CborError`] if the bytes are not exactly one CBOR item, or exceed a limit.
pub fn inspect(cbor: &[u8]) -> Result<Option<DataError>, CborError> {
    if cbor.len() > MAX_RECORD_BYTES {
        return Err(CborError::TooLarge);
    }
    match check(cbor) {
        Ok(()) => Ok(None),
        Err(broken) => reader::check_well_formed(cbor).map(|()| Some(broken)),
    }
}

/// Returns the CID in a byte string with tag 42, with any version, codec and hash.
fn link_cid(content: &[u8]) -> Option<Cid> {
    let bytes = content.strip_prefix(&[0])?;
    // The comparison rejects other encodings of the CID, and trailing bytes.
    Cid::read_bytes(bytes).ok().filter(|cid| cid.to_bytes() == bytes)
}
