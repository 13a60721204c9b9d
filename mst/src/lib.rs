#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

mod blocks;
mod build;
mod changes;
mod diff;
mod digest;
mod edit;
mod encode;
mod entries;
mod error;
mod key;
mod node;
mod open;
mod overlay;
mod proof;
mod source;
mod tree;
mod walk;

pub use blocks::Blocks;
pub use build::{BuildError, Builder, build, build_unsorted};
pub use changes::Changes;
pub use diff::{Diff, Difference, diff};
pub use digest::EMPTY_NODE;
pub use edit::Edit;
pub use entries::{Entries, ReverseEntries};
pub use error::{LinkError, StepError, TreeError};
pub use key::{KeyError, MAX_KEY_BYTES, MAX_LEVEL, key_height};
pub use node::{EntryRef, MAX_NODE_BYTES, MAX_NODE_ENTRIES, NodeEntries, NodeError, NodeRef};
pub use overlay::Overlay;
pub use proof::covering_proof;
pub use source::{Block, BlockSource, Verified};
pub use tree::Tree;
pub use walk::{Steps, Visit, Walk, verify};
