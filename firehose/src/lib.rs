#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

mod commit;
mod error;
mod event;
mod frame;
mod position;
mod read;
mod verify;
mod write;

pub use commit::{CommitEvent, CommitView, OpView};
pub use error::FrameError;
pub use event::{AccountEvent, ErrorFrame, IdentityEvent, InfoEvent, SyncEvent};
pub use frame::Frame;
pub use position::{CONSUMER_TOO_SLOW, FUTURE_CURSOR, OUTDATED_CURSOR, Position, Window};
pub use verify::{RepoState, Verdict, Verifier, VerifyError};

/// The longest `blocks` of a commit, in bytes.
pub const MAX_BLOCKS_BYTES: usize = 2_000_000;

/// The longest frame that is decoded, in bytes.
pub const MAX_FRAME_BYTES: usize = 5_000_000;

/// The most operations of one commit.
pub const MAX_OPS: usize = 200;

/// The deepest nesting of arrays, maps and tags in a field that is skipped because it is unknown.
pub const MAX_SKIPPED_DEPTH: usize = 128;

/// The longest `blocks` of a sync event, in bytes: one commit block needs no more.
pub const MAX_SYNC_BLOCKS_BYTES: usize = 10_000;
