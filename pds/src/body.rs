//! Bodies of requests and responses, and their content codings.

mod coding;
mod content;
mod decoded;
mod paced;

pub use self::coding::{Coding, CodingError, Decoder, Step, UnsupportedCoding};
pub use self::content::{Body, BodyError, Request, Response};
