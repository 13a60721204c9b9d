//! Errors of schema documents.

use alloc::string::String;

use nacre_syntax::Nsid;

use crate::DataError;

/// Why a document or a set of documents is not a valid schema.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The document is not valid data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A value in the document is invalid.
    #[error("{path}: {fault}")]
    Document {
        /// The path to the value: field names from the top down, `*` for an item of an array.
        path: String,
        /// The rule that the value breaks.
        fault: Fault,
    },
    /// Two definitions have this name.
    #[error("{0} is defined twice")]
    Repeated(String),
    /// The compiled schemas exceed [`MAX_CATALOGUE_BYTES`](crate::MAX_CATALOGUE_BYTES), or a schema
    /// needs more than [`MAX_DOCUMENTS`](crate::MAX_DOCUMENTS) documents.
    #[error("too many schemas")]
    TooLarge,
    /// The resolver does not need this document.
    #[error("{0} is not needed")]
    Unexpected(Nsid),
    /// A reference names this definition, which is missing or not a type.
    #[error("reference to {0}, which is missing or not a type")]
    Unresolved(String),
}

/// The rule that a value in a schema document breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// `accept` must list media types or patterns such as `image/*`.
    #[error("not a media type or a pattern such as image/*")]
    Accept,
    /// It must be an array.
    #[error("must be an array")]
    Array,
    /// It must be true or false.
    #[error("must be a boolean")]
    Boolean,
    /// A constant cannot have a default.
    #[error("a constant cannot have a default")]
    Default,
    /// It must not be empty.
    #[error("must not be empty")]
    Empty,
    /// No format has this name.
    #[error("not a known format")]
    Format,
    /// It must be an integer.
    #[error("must be an integer")]
    Integer,
    /// It is not a kind of record key.
    #[error("must be any, nsid, tid or a literal record key")]
    Key,
    /// A required field is missing.
    #[error("is missing")]
    Missing,
    /// A name is empty or contains an invalid character.
    #[error("not a valid name")]
    Name,
    /// Only the main definition can be a record, a method or a permission set.
    #[error("only the main definition can have this type")]
    NotMain,
    /// It is not an NSID.
    #[error("not an NSID")]
    Nsid,
    /// It must be an object.
    #[error("must be an object")]
    Object,
    /// A parameter has a type that a URL cannot carry.
    #[error("parameters must be booleans, integers, strings or arrays of those")]
    Param,
    /// `required` or `nullable` lists an undefined property.
    #[error("names an undefined property")]
    Property,
    /// A limit is negative, or the minimum exceeds the maximum.
    #[error("invalid limits: negative, or minimum above maximum")]
    Range,
    /// It is not a valid reference.
    #[error("not a valid reference")]
    Ref,
    /// It must be text.
    #[error("must be a string")]
    Text,
    /// The type is unknown or not allowed here.
    #[error("type is unknown or not allowed here")]
    Type,
    /// The version of the schema language must be 1.
    #[error("must be 1")]
    Version,
}
