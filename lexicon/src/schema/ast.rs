//! The syntax tree of a schema document.

use alloc::{boxed::Box, string::String, vec::Vec};

use crate::schema::format::Format;

/// A definition of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Def {
    /// A permission set, which describes no data.
    PermissionSet,
    Method(Box<Method>),
    Record {
        key: Key,
        record: Object,
    },
    Token,
    Type(Type),
}

impl Def {
    /// Calls `each` with the name of every reference, including repeated ones.
    pub(super) fn each_ref<'d>(&'d self, each: &mut impl FnMut(&'d str)) {
        match self {
            Self::PermissionSet | Self::Token => {}
            Self::Method(method) => {
                let bodies = [&method.input, &method.output].into_iter().flatten();
                for schema in bodies.filter_map(|body| body.schema.as_ref()) {
                    schema.each_ref(each);
                }
            }
            Self::Record { record, .. } => record.each_ref(each),
            Self::Type(of) => of.each_ref(each),
        }
    }
}

/// The record keys that a collection allows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Any,
    Literal(String),
    Nsid,
    Tid,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Method {
    pub(super) kind: MethodKind,
    pub(super) params: Option<Object>,
    pub(super) input: Option<Body>,
    /// The messages, for a subscription.
    pub(super) output: Option<Body>,
}

/// The kind of a method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MethodKind {
    /// Reads: `GET`.
    Query,
    /// Writes: `POST`.
    Procedure,
    /// Streams messages over a WebSocket.
    Subscription,
}

/// The input or output of a method.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Body {
    /// The media type or a pattern; empty for messages.
    pub(super) encoding: String,
    pub(super) schema: Option<Type>,
}

/// The type of a value.
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
        default: Option<bool>,
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
    pub(super) default: Option<i64>,
    pub(super) constant: Option<i64>,
    pub(super) one_of: Option<Vec<i64>>,
    pub(super) minimum: Option<i64>,
    pub(super) maximum: Option<i64>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Text {
    pub(super) default: Option<String>,
    pub(super) constant: Option<String>,
    pub(super) one_of: Option<Vec<String>>,
    /// In bytes of UTF-8.
    pub(super) length: Range,
    pub(super) graphemes: Range,
    pub(super) format: Option<Format>,
}

impl Type {
    /// Recurses as deep as the parser of [`Document`](super::document::Document).
    fn each_ref<'d>(&'d self, each: &mut impl FnMut(&'d str)) {
        match self {
            Self::Array { items, .. } => items.each_ref(each),
            Self::Object(object) => object.each_ref(each),
            Self::Ref(name) => each(name),
            Self::Union { refs, .. } => refs.iter().for_each(|name| each(name)),
            Self::Blob { .. }
            | Self::Boolean { .. }
            | Self::Bytes { .. }
            | Self::Integer(_)
            | Self::Link
            | Self::Text(_)
            | Self::Unknown => {}
        }
    }

    /// Returns whether the type has a default.
    pub(super) fn has_default(&self) -> bool {
        match self {
            Self::Boolean { default, .. } => default.is_some(),
            Self::Integer(integer) => integer.default.is_some(),
            Self::Text(text) => text.default.is_some(),
            _ => false,
        }
    }
}

impl Object {
    fn each_ref<'d>(&'d self, each: &mut impl FnMut(&'d str)) {
        for property in &self.properties {
            property.of.each_ref(each);
        }
    }
}

/// An inclusive range with optional ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Range {
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
}
