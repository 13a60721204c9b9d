//! Values in a schema document, with their paths.

use alloc::vec::Vec;

use crate::schema::error::{Fault, SchemaError};
use crate::schema::value::Value;

/// A value and its position in the document.
pub(super) struct Place<'v, 'p> {
    pub(super) value: &'v Value,
    pub(super) name: &'v str,
    pub(super) around: Option<&'p Self>,
}

impl<'v> Place<'v, '_> {
    pub(super) fn field<'s>(&'s self, name: &'v str) -> Result<Option<Place<'v, 's>>, SchemaError> {
        let Value::Object(fields) = self.value else { return Err(self.wrong(Fault::Object)) };
        let field = fields.iter().find(|(key, _)| key == name);
        Ok(field.map(|(_, value)| Place { value, name, around: Some(self) }))
    }

    pub(super) fn needed<'s>(&'s self, name: &'v str) -> Result<Place<'v, 's>, SchemaError> {
        self.field(name)?.ok_or_else(|| {
            Place { value: &Value::Null, name, around: Some(self) }.wrong(Fault::Missing)
        })
    }

    pub(super) fn fields(&self) -> Result<Vec<Place<'v, '_>>, SchemaError> {
        let Value::Object(fields) = self.value else { return Err(self.wrong(Fault::Object)) };
        let place = |(name, value)| Place { value, name, around: Some(self) };
        Ok(fields.iter().map(|(name, value)| place((name.as_str(), value))).collect())
    }

    /// Returns the items of an array. Their paths all end in `*`.
    pub(super) fn items(&self) -> Result<Vec<Place<'v, '_>>, SchemaError> {
        let Value::Array(items) = self.value else { return Err(self.wrong(Fault::Array)) };
        Ok(items.iter().map(|value| Place { value, name: "*", around: Some(self) }).collect())
    }

    /// Returns the `type` of an object.
    pub(super) fn kind(&self) -> Result<&'v str, SchemaError> {
        match self.value {
            Value::Object(fields) => match fields.iter().find(|(key, _)| key == "type") {
                Some((_, Value::Text(text))) => Ok(text),
                _ => Err(self.wrong(Fault::Type)),
            },
            _ => Err(self.wrong(Fault::Object)),
        }
    }

    pub(super) fn text(&self) -> Result<&'v str, SchemaError> {
        match self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong(Fault::Text)),
        }
    }

    pub(super) fn integer(&self) -> Result<i64, SchemaError> {
        match self.value {
            Value::Integer(value) => Ok(*value),
            _ => Err(self.wrong(Fault::Integer)),
        }
    }

    pub(super) fn boolean(&self, name: &'v str) -> Result<Option<bool>, SchemaError> {
        match self.field(name)? {
            None => Ok(None),
            Some(Place { value: Value::Bool(value), .. }) => Ok(Some(*value)),
            Some(field) => Err(field.wrong(Fault::Boolean)),
        }
    }

    pub(super) fn count(&self, name: &'v str) -> Result<Option<u64>, SchemaError> {
        let Some(field) = self.field(name)? else { return Ok(None) };
        u64::try_from(field.integer()?).map(Some).map_err(|_| field.wrong(Fault::Range))
    }

    pub(super) fn wrong(&self, fault: Fault) -> SchemaError {
        let mut names = Vec::new();
        let mut place = Some(self);
        while let Some(Place { name, around, .. }) = place {
            names.push(*name);
            place = *around;
        }
        // The document itself has no name.
        names.pop();
        names.reverse();
        SchemaError::Document { path: names.join("/"), fault }
    }
}
