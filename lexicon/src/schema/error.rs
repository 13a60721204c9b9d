//! What can be wrong with schemas.

use alloc::string::String;

use nacre_syntax::Nsid;

use crate::DataError;

/// Why a document, or a set of them, is no schema.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The document is not data at all.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A place in the document is wrong.
    #[error("{path}: {fault}")]
    Document {
        /// Where: the names from the top down, `*` for an item of an array.
        path: String,
        /// What is wrong there.
        fault: Fault,
    },
    /// Two definitions have this name.
    #[error("{0} is defined twice")]
    Repeated(String),
    /// All schemas together are larger than [`MAX_CATALOGUE_BYTES`](crate::MAX_CATALOGUE_BYTES),
    /// or one is spread over more than [`MAX_DOCUMENTS`](crate::MAX_DOCUMENTS).
    #[error("there are too many schemas")]
    TooLarge,
    /// This document is not one that was asked for.
    #[error("{0} was not asked for")]
    Unasked(Nsid),
    /// Something refers to this definition, which is not there or not one of a type.
    #[error("{0} is referred to, but is not the definition of a type")]
    Unresolved(String),
}

/// What is wrong in a place of a schema document.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// What blobs to accept is said by a media type, or the beginning of one and a star.
    #[error("not a media type or the beginning of one")]
    Accept,
    /// It must be an array.
    #[error("must be an array")]
    Array,
    /// It must be true or false.
    #[error("must be a boolean")]
    Boolean,
    /// What is constant has no default.
    #[error("a constant has no default")]
    Default,
    /// There must be something in it.
    #[error("must not be empty")]
    Empty,
    /// There is no format of this name.
    #[error("not a known format")]
    Format,
    /// It must be an integer.
    #[error("must be an integer")]
    Integer,
    /// It is not a kind of record key.
    #[error("must be any, nsid, tid or a literal record key")]
    Key,
    /// It must be there.
    #[error("is missing")]
    Missing,
    /// A name is empty or has characters that names have not.
    #[error("not a name")]
    Name,
    /// Only the main definition of a document can be a record, a method or a set of permissions.
    #[error("only main can be of this type")]
    NotMain,
    /// It is not an NSID.
    #[error("not an NSID")]
    Nsid,
    /// It must be an object.
    #[error("must be an object")]
    Object,
    /// A parameter is of a type that a URL cannot say.
    #[error("parameters are booleans, integers, strings and arrays of those")]
    Param,
    /// A property is required, or nullable, that is not there.
    #[error("names a property that is not defined")]
    Property,
    /// A limit is negative, or the lower one is above the upper one.
    #[error("the limits leave nothing")]
    Range,
    /// It does not name a definition.
    #[error("not a reference")]
    Ref,
    /// It must be text.
    #[error("must be a string")]
    Text,
    /// There is no such type, or it cannot stand here.
    #[error("has no type that can stand here")]
    Type,
    /// The language of the schema is not version 1.
    #[error("must be 1")]
    Version,
}
