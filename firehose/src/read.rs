//! Values of the fields of a frame, read strictly.

use cid::Cid;
use nacre_cbor::{ReadError, Reader};
use nacre_syntax::{Datetime, Did, Handle, Tid};

use crate::{FrameError, MAX_SKIPPED_DEPTH};

pub(crate) fn nullable_link(reader: &mut Reader<'_>) -> Result<Option<Cid>, FrameError> {
    if reader.eat_null() { Ok(None) } else { Ok(Some(reader.cid()?)) }
}

pub(crate) fn datetime<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
) -> Result<&'a str, FrameError> {
    let text = reader.text()?;
    Datetime::parse(text).map(|_| text).map_err(|_| FrameError::Field(field))
}

pub(crate) fn did<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a str, FrameError> {
    let text = reader.text()?;
    Did::parse(text).map(|_| text).map_err(|_| FrameError::Field(field))
}

pub(crate) fn handle<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
) -> Result<&'a str, FrameError> {
    let text = reader.text()?;
    Handle::parse(text).map(|_| text).map_err(|_| FrameError::Field(field))
}

pub(crate) fn tid(reader: &mut Reader<'_>, field: &'static str) -> Result<Tid, FrameError> {
    Tid::parse(reader.text()?).map_err(|_| FrameError::Field(field))
}

/// Skips the value of an unknown field. Its heads must be minimal and definite, but its contents
/// are not checked.
pub(crate) fn skip(reader: &mut Reader<'_>) -> Result<(), FrameError> {
    Ok(reader.skip::<MAX_SKIPPED_DEPTH>()?)
}

impl From<ReadError> for FrameError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Depth(_) => Self::Depth,
            ReadError::DuplicateKey(at) | ReadError::KeyOrder(at) => Self::KeyOrder(at),
            ReadError::Truncated => Self::Truncated,
            ReadError::Float(at)
            | ReadError::Head(at)
            | ReadError::Integer(at)
            | ReadError::Link(at)
            | ReadError::NotMinimal(at)
            | ReadError::Simple(at)
            | ReadError::Tag(at)
            | ReadError::Type(at)
            | ReadError::Utf8(at) => Self::Cbor(at),
        }
    }
}
