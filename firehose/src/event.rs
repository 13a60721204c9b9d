//! The small events: sync, identity, account, info, and the error that ends a stream.

use alloc::vec::Vec;

use nacre_cbor::Reader;
use nacre_syntax::Tid;

use crate::{FrameError, MAX_SYNC_BLOCKS_BYTES, read, write::Writer};

/// The current state of a repository, without its changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SyncEvent<'a> {
    /// The number of the event.
    pub seq: i64,
    /// The repository's DID.
    pub did: &'a str,
    /// The revision of the current commit.
    pub rev: Tid,
    /// A CAR of the signed commit alone; at most [`MAX_SYNC_BLOCKS_BYTES`].
    pub blocks: &'a [u8],
    /// The time of the event.
    pub time: &'a str,
}

impl<'a> SyncEvent<'a> {
    /// Encodes the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut frame = Writer::message("#sync", self.blocks.len() + REST_BYTES);
        frame.map(5);
        frame.text("did", self.did);
        frame.tid("rev", self.rev);
        frame.integer("seq", self.seq);
        frame.text("time", self.time);
        frame.bytes("blocks", self.blocks);
        frame.finish()
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let (mut seq, mut did, mut rev, mut blocks, mut time) = (None, None, None, None, None);
        let mut keys = reader.keys()?;
        while let Some(key) = keys.next_text(reader)? {
            match key {
                "did" => did = Some(read::did(reader, "did")?),
                "rev" => rev = Some(read::tid(reader, "rev")?),
                "seq" => seq = Some(reader.integer()?),
                "time" => time = Some(read::datetime(reader, "time")?),
                "blocks" => blocks = Some(reader.bytes()?),
                _ => read::skip(reader)?,
            }
        }
        let blocks = blocks.ok_or(FrameError::Missing("blocks"))?;
        if blocks.len() > MAX_SYNC_BLOCKS_BYTES {
            return Err(FrameError::Field("blocks"));
        }
        Ok(Self {
            seq: seq.ok_or(FrameError::Missing("seq"))?,
            did: did.ok_or(FrameError::Missing("did"))?,
            rev: rev.ok_or(FrameError::Missing("rev"))?,
            blocks,
            time: time.ok_or(FrameError::Missing("time"))?,
        })
    }
}

/// A change of an account's identity: consumers should resolve the DID again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IdentityEvent<'a> {
    /// The number of the event.
    pub seq: i64,
    /// The account's DID.
    pub did: &'a str,
    /// The account's handle, which consumers must verify.
    pub handle: Option<&'a str>,
    /// The time of the event.
    pub time: &'a str,
}

impl<'a> IdentityEvent<'a> {
    /// Encodes the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut frame = Writer::message("#identity", REST_BYTES);
        frame.map(3 + usize::from(self.handle.is_some()));
        frame.text("did", self.did);
        frame.integer("seq", self.seq);
        frame.text("time", self.time);
        frame.optional_text("handle", self.handle);
        frame.finish()
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let (mut seq, mut did, mut handle, mut time) = (None, None, None, None);
        let mut keys = reader.keys()?;
        while let Some(key) = keys.next_text(reader)? {
            match key {
                "did" => did = Some(read::did(reader, "did")?),
                "seq" => seq = Some(reader.integer()?),
                "time" => time = Some(read::datetime(reader, "time")?),
                "handle" => handle = Some(read::handle(reader, "handle")?),
                _ => read::skip(reader)?,
            }
        }
        Ok(Self {
            seq: seq.ok_or(FrameError::Missing("seq"))?,
            did: did.ok_or(FrameError::Missing("did"))?,
            handle,
            time: time.ok_or(FrameError::Missing("time"))?,
        })
    }
}

/// A change of an account's status on its server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AccountEvent<'a> {
    /// The number of the event.
    pub seq: i64,
    /// The account's DID.
    pub did: &'a str,
    /// Whether the account's content may be shown.
    pub active: bool,
    /// The reason if it may not: `deactivated`, `deleted`, `takendown` and the like.
    pub status: Option<&'a str>,
    /// The time of the event.
    pub time: &'a str,
}

impl<'a> AccountEvent<'a> {
    /// Encodes the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut frame = Writer::message("#account", REST_BYTES);
        frame.map(4 + usize::from(self.status.is_some()));
        frame.text("did", self.did);
        frame.integer("seq", self.seq);
        frame.text("time", self.time);
        frame.boolean("active", self.active);
        frame.optional_text("status", self.status);
        frame.finish()
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let (mut seq, mut did, mut active, mut status, mut time) = (None, None, None, None, None);
        let mut keys = reader.keys()?;
        while let Some(key) = keys.next_text(reader)? {
            match key {
                "did" => did = Some(read::did(reader, "did")?),
                "seq" => seq = Some(reader.integer()?),
                "time" => time = Some(read::datetime(reader, "time")?),
                "active" => active = Some(reader.boolean()?),
                "status" => status = Some(reader.text()?),
                _ => read::skip(reader)?,
            }
        }
        Ok(Self {
            seq: seq.ok_or(FrameError::Missing("seq"))?,
            did: did.ok_or(FrameError::Missing("did"))?,
            active: active.ok_or(FrameError::Missing("active"))?,
            status,
            time: time.ok_or(FrameError::Missing("time"))?,
        })
    }
}

/// Information about the stream itself, such as `OutdatedCursor`. It has no sequence number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InfoEvent<'a> {
    /// The name, for programs.
    pub name: &'a str,
    /// The explanation, for people.
    pub message: Option<&'a str>,
}

impl<'a> InfoEvent<'a> {
    /// Encodes the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut frame = Writer::message("#info", REST_BYTES);
        frame.map(1 + usize::from(self.message.is_some()));
        frame.text("name", self.name);
        frame.optional_text("message", self.message);
        frame.finish()
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let (name, message) = read_name_and_message("name", reader)?;
        Ok(Self { name, message })
    }
}

/// The error before a server closes the stream, such as `FutureCursor`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ErrorFrame<'a> {
    /// The name, for programs.
    pub error: &'a str,
    /// The explanation, for people.
    pub message: Option<&'a str>,
}

impl<'a> ErrorFrame<'a> {
    /// Encodes the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut frame = Writer::error(REST_BYTES);
        frame.map(1 + usize::from(self.message.is_some()));
        frame.text("error", self.error);
        frame.optional_text("message", self.message);
        frame.finish()
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let (error, message) = read_name_and_message("error", reader)?;
        Ok(Self { error, message })
    }
}

/// Reads an object with a name and an optional message.
fn read_name_and_message<'a>(
    name_key: &'static str,
    reader: &mut Reader<'a>,
) -> Result<(&'a str, Option<&'a str>), FrameError> {
    let (mut name, mut message) = (None, None);
    let mut keys = reader.keys()?;
    while let Some(key) = keys.next_text(reader)? {
        match key {
            "message" => message = Some(reader.text()?),
            _ if key == name_key => name = Some(reader.text()?),
            _ => read::skip(reader)?,
        }
    }
    Ok((name.ok_or(FrameError::Missing(name_key))?, message))
}

/// The capacity for all fields of usual length except `blocks`.
const REST_BYTES: usize = 256;
