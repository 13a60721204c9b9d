//! SQL values: conversions to statement parameters and from result columns.

use alloc::borrow::Cow;

use cid::Cid;

use crate::host::{Row, SqlError, Value};

/// Returns a text parameter.
pub(super) fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

/// Returns a blob parameter.
pub(super) fn blob(bytes: &[u8]) -> Value<'_> {
    Value::Blob(Cow::Borrowed(bytes))
}

/// Returns a CID as a blob parameter.
pub(super) fn cid(cid: &Cid) -> Value<'static> {
    Value::Blob(Cow::Owned(cid.to_bytes()))
}

/// Returns an integer parameter. All stored integers are far below 2^53, so hosts keep them exact.
pub(super) fn integer(number: impl TryInto<i64>) -> Value<'static> {
    number.try_into().map_or(Value::Null, Value::Integer)
}

impl dyn Row + '_ {
    pub(super) fn integer(&self, index: usize) -> Result<i64, SqlError> {
        match self.value(index) {
            Value::Integer(number) => Ok(number),
            _ => Err(wrong_type("an integer", index)),
        }
    }

    pub(super) fn text(&self, index: usize) -> Result<String, SqlError> {
        match self.value(index) {
            Value::Text(text) => Ok(text.into_owned()),
            _ => Err(wrong_type("text", index)),
        }
    }

    pub(super) fn optional_integer(&self, index: usize) -> Result<Option<i64>, SqlError> {
        if self.value(index) == Value::Null { Ok(None) } else { self.integer(index).map(Some) }
    }

    pub(super) fn optional_text(&self, index: usize) -> Result<Option<String>, SqlError> {
        if self.value(index) == Value::Null { Ok(None) } else { self.text(index).map(Some) }
    }

    pub(super) fn blob(&self, index: usize) -> Result<Vec<u8>, SqlError> {
        match self.value(index) {
            Value::Blob(bytes) => Ok(bytes.into_owned()),
            _ => Err(wrong_type("a blob", index)),
        }
    }

    /// Reads a text column and parses it.
    pub(super) fn parsed<T>(
        &self,
        index: usize,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, SqlError> {
        parse(&self.text(index)?).ok_or_else(|| wrong_type("valid text", index))
    }

    pub(super) fn cid(&self, index: usize) -> Result<Cid, SqlError> {
        match self.value(index) {
            Value::Blob(bytes) => Cid::try_from(&*bytes).map_err(|_| wrong_type("a CID", index)),
            _ => Err(wrong_type("a CID", index)),
        }
    }
}

fn wrong_type(expected: &str, index: usize) -> SqlError {
    SqlError::other(format!("column {index} does not hold {expected}"))
}
