//! A frame of the stream: a header and a body, each a DAG-CBOR object.
//!
//! <https://atproto.com/specs/event-stream>, <https://atproto.com/specs/sync#firehose>

use nacre_cbor::Reader;

use crate::{
    AccountEvent, CommitView, ErrorFrame, FrameError, IdentityEvent, InfoEvent, MAX_FRAME_BYTES,
    SyncEvent, read,
};

/// A decoded frame, borrowed from its bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "nearly all frames are commits")]
pub enum Frame<'a> {
    /// `#account`
    Account(AccountEvent<'a>),
    /// `#commit`
    Commit(CommitView<'a>),
    /// The error that ends the stream.
    Error(ErrorFrame<'a>),
    /// `#identity`
    Identity(IdentityEvent<'a>),
    /// `#info`
    Info(InfoEvent<'a>),
    /// `#sync`
    Sync(SyncEvent<'a>),
    /// An event of a type that this crate does not know. Ignore it.
    Unknown(&'a str),
}

impl<'a> Frame<'a> {
    /// Decodes a frame, but not its `blocks`. Ignores unknown fields.
    ///
    /// # Errors
    ///
    /// [`FrameError`] names the first rule broken.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLarge);
        }
        let mut reader = Reader::new(bytes);
        let frame = match read_header(&mut reader)? {
            Header::Error => Self::Error(ErrorFrame::read(&mut reader)?),
            Header::Message("#account") => Self::Account(AccountEvent::read(&mut reader)?),
            Header::Message("#commit") => Self::Commit(CommitView::read(&mut reader)?),
            Header::Message("#identity") => Self::Identity(IdentityEvent::read(&mut reader)?),
            Header::Message("#info") => Self::Info(InfoEvent::read(&mut reader)?),
            Header::Message("#sync") => Self::Sync(SyncEvent::read(&mut reader)?),
            Header::Message(kind) => {
                read::skip(&mut reader)?;
                Self::Unknown(kind)
            }
        };
        if reader.is_at_end() { Ok(frame) } else { Err(FrameError::Trailing) }
    }

    /// Returns the number of the event, if it has one.
    #[must_use]
    pub fn seq(&self) -> Option<i64> {
        match self {
            Self::Account(event) => Some(event.seq),
            Self::Commit(event) => Some(event.seq),
            Self::Identity(event) => Some(event.seq),
            Self::Sync(event) => Some(event.seq),
            Self::Error(_) | Self::Info(_) | Self::Unknown(_) => None,
        }
    }
}

enum Header<'a> {
    Error,
    Message(&'a str),
}

fn read_header<'a>(reader: &mut Reader<'a>) -> Result<Header<'a>, FrameError> {
    let (mut kind, mut op) = (None, None);
    let mut keys = reader.keys()?;
    while let Some(key) = keys.next_text(reader)? {
        match key {
            "t" => kind = Some(reader.text()?),
            "op" => op = Some(reader.integer()?),
            _ => read::skip(reader)?,
        }
    }
    match op.ok_or(FrameError::Missing("op"))? {
        -1 => Ok(Header::Error),
        1 => kind.map(Header::Message).ok_or(FrameError::Missing("t")),
        _ => Err(FrameError::Op),
    }
}
