#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

mod decoder;
mod error;
mod frame;
mod lookup;
mod read_ahead;
mod reader;
mod writer;

pub use decoder::{Decoder, Step};
pub use error::CarError;
pub use frame::{Block, MAX_BLOCK_BYTES, MAX_HEADER_BYTES};
pub use lookup::Lookup;
pub use reader::Reader;
pub use writer::{Writer, header};
