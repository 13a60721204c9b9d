#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

mod block;
mod invert;
mod legacy;
mod verify;
mod write;

pub use block::{Commit, DecodeError, MAX_COMMIT_BYTES, UnsignedCommit, Version};
pub use invert::{InvertError, invert};
pub use legacy::LegacyCommit;
pub use verify::{Record, Records, RepoError, VerifiedRepo, verify_blocks, verify_repo};
pub use write::{Action, CommitDiff, CommitError, Head, MAX_WRITES, Op, Write, commit};
