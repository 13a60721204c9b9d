#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

mod build;
mod digest;
mod edit;
mod encode;
mod error;
mod flush;
mod key;
mod node;
mod proof;
mod source;
mod tree;
mod walk;

pub use build::{BuildError, Builder, build};
pub use error::{LinkError, TreeError};
pub use flush::Changes;
pub use key::{KeyError, MAX_KEY_BYTES, MAX_LEVEL, key_height};
pub use node::{EntryRef, MAX_NODE_BYTES, MAX_NODE_ENTRIES, NodeEntries, NodeError, NodeRef};
pub use proof::covering_proof;
pub use source::{Block, BlockSource, Overlay};
pub use tree::Tree;
pub use walk::{Entries, Visit, Walk, verify};
