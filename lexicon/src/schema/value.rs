//! Data as a tree, for parsing schemas, where speed does not matter.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use crate::{
    DataError,
    decode::{Event, walk},
};

/// A value of the data model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Array(Vec<Self>),
    Bool(bool),
    Integer(i64),
    Null,
    Object(Vec<(String, Self)>),
    /// Bytes or a link, which do not occur in schemas.
    Other,
    Text(String),
}

impl Value {
    /// Decodes DAG-CBOR.
    pub(super) fn read(cbor: &[u8]) -> Result<Self, DataError> {
        // The open containers. The outermost one collects the result.
        let mut open = Vec::from([Self::Array(Vec::new())]);
        walk(cbor, |event: Event<'_, &str>| {
            let value = match event {
                Event::Array => return open.push(Self::Array(Vec::new())),
                Event::Map => return open.push(Self::Object(Vec::new())),
                Event::Key(key) => {
                    if let Some(Self::Object(fields)) = open.last_mut() {
                        fields.push((key.to_owned(), Self::Null));
                    }
                    return;
                }
                Event::ArrayEnd | Event::MapEnd(..) => open.pop().unwrap_or(Self::Null),
                Event::Bool(value) => Self::Bool(value),
                Event::Bytes(_) | Event::Link(_) => Self::Other,
                Event::Integer(value) => Self::Integer(value),
                Event::Null => Self::Null,
                Event::Text(text) => Self::Text(text.to_owned()),
            };
            match open.last_mut() {
                Some(Self::Array(items)) => items.push(value),
                Some(Self::Object(fields)) => {
                    if let Some((_, field)) = fields.last_mut() {
                        *field = value;
                    }
                }
                _ => {}
            }
        })?;
        match open.pop() {
            Some(Self::Array(mut items)) => Ok(items.pop().unwrap_or(Self::Null)),
            _ => Ok(Self::Null),
        }
    }
}
