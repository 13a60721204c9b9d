//! What a schema document says, as a tree.

use alloc::{boxed::Box, string::String, vec::Vec};

use crate::schema::format::Format;

/// A definition of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Def {
    /// A set of permissions, which no data is of.
    PermissionSet,
    /// A query or procedure, or a subscription with its message for an output.
    Method(Method),
    Record {
        key: Key,
        record: Object,
    },
    Token,
    Type(Type),
}

/// The keys that a record may have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Any,
    Literal(String),
    Nsid,
    Tid,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Method {
    pub(super) params: Option<Object>,
    pub(super) input: Option<Type>,
    pub(super) output: Option<Type>,
}

/// What a value may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Type {
    Array {
        items: Box<Self>,
        length: Range,
    },
    Blob {
        accept: Vec<String>,
        max_size: Option<u64>,
    },
    Boolean {
        constant: Option<bool>,
    },
    Bytes {
        length: Range,
    },
    Integer(Integer),
    Link,
    Object(Object),
    /// The full name of another definition.
    Ref(String),
    Text(Text),
    Union {
        refs: Vec<String>,
        closed: bool,
    },
    Unknown,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Object {
    pub(super) properties: Vec<Property>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) of: Type,
    pub(super) required: bool,
    pub(super) nullable: bool,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Integer {
    pub(super) constant: Option<i64>,
    pub(super) one_of: Option<Vec<i64>>,
    pub(super) minimum: Option<i64>,
    pub(super) maximum: Option<i64>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Text {
    pub(super) constant: Option<String>,
    pub(super) one_of: Option<Vec<String>>,
    /// In bytes of UTF-8.
    pub(super) length: Range,
    pub(super) graphemes: Range,
    pub(super) format: Option<Format>,
}

/// How much there may be of something, both ends included.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Range {
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
}
