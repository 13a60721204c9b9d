//! Schemas: read, compiled, and run over data.

mod ast;
mod catalogue;
mod compile;
mod document;
mod error;
mod format;
mod invalid;
mod layout;
mod method;
mod place;
mod record;
mod resolve;
mod validate;
mod value;
mod words;

pub use ast::MethodKind;
pub use catalogue::Catalogue;
pub use compile::{MAX_CATALOGUE_BYTES, compile};
pub use document::Document;
pub use error::{Fault, SchemaError};
pub use invalid::{Invalid, Reason, Subject};
pub use method::MethodSchema;
pub use record::{KeyRule, RecordSchema};
pub use resolve::{MAX_DOCUMENTS, Resolver};
