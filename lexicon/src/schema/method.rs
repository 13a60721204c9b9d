//! Schemas of methods: parameters, input and output.
//!
//! Specification: <https://atproto.com/specs/xrpc>

use alloc::{boxed::Box, vec::Vec};

use crate::schema::ast::MethodKind;
use crate::schema::invalid::{Invalid, Reason, Step, Subject};
use crate::schema::layout::{METHOD_SHIFT, flag, kind, method};
use crate::schema::validate::{Properties, Property, validate};
use crate::schema::words::Words;
use crate::{EncodeError, MAX_INTEGER, ValueWriter, check, write_object};

/// The schema of a query, procedure or subscription.
#[derive(Clone, Copy, Debug)]
pub struct MethodSchema<'c> {
    words: Words<'c>,
    node: usize,
}

impl<'c> MethodSchema<'c> {
    pub(super) fn new(words: Words<'c>, node: usize) -> Self {
        Self { words, node }
    }

    /// Returns the kind of method.
    #[must_use]
    pub fn kind(&self) -> MethodKind {
        match self.words.word(self.node) >> METHOD_SHIFT {
            method::PROCEDURE => MethodKind::Procedure,
            method::SUBSCRIPTION => MethodKind::Subscription,
            _ => MethodKind::Query,
        }
    }

    /// Returns the media type of the input, which may be a pattern such as `*/*`. Returns `None` if
    /// the method takes no input.
    #[must_use]
    pub fn input_encoding(&self) -> Option<&'c str> {
        self.encoding(INPUT)
    }

    /// Returns the media type of the output, which may be a pattern such as `*/*`. Returns `None`
    /// if the method has no output, and for subscriptions.
    #[must_use]
    pub fn output_encoding(&self) -> Option<&'c str> {
        self.encoding(OUTPUT)
    }

    /// Converts URL parameters, as decoded names and values, to a DAG-CBOR object by their types.
    /// Parameters with a default are always present in it.
    ///
    /// Ignores unknown parameters, and empty values. Integers are decimal, booleans `true` or
    /// `false`. Several values of a name become an array. Iterates over the pairs once for each
    /// parameter of the schema.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the first invalid parameter in the order of DAG-CBOR keys.
    pub fn params<'q>(
        &self,
        query: impl IntoIterator<Item = (&'q str, &'q str)> + Clone,
    ) -> Result<Vec<u8>, Box<Invalid>> {
        let wrong = |reason| Invalid::new(reason).of(Subject::Params);
        let object = self.words.index(self.node + 1);
        if object == 0 {
            return write(&[]).map_err(wrong);
        }
        let mut params = Vec::new();
        let mut properties = Properties::new(self.words, object);
        while let Some(Property { name, node, .. }) = properties.next() {
            let name = core::str::from_utf8(name).unwrap_or_default();
            let is_it = |(key, value): &(&str, &str)| *key == name && !value.is_empty();
            let values = query.clone().into_iter().filter(is_it);
            let values: Vec<&str> = values.map(|(_, value)| value).collect();
            if values.is_empty() {
                params.extend(self.default(node).map(|value| Param { name, value, given: false }));
                continue;
            }
            let value = self.read(node, &values).map_err(|reason| {
                let mut invalid = wrong(reason);
                invalid.steps.push(Step::Key(name.into()));
                invalid
            })?;
            params.push(Param { name, value, given: true });
        }
        // Defaults are not validated, because the caller is not to blame for them.
        let given: Vec<_> = params.iter().filter(|param| param.given).collect();
        let cbor = write(&given).map_err(wrong)?;
        validate(self.words, object, &cbor).map_err(|invalid| invalid.of(Subject::Params))?;
        if given.len() == params.len() {
            return Ok(cbor);
        }
        write(&params.iter().collect::<Vec<_>>()).map_err(wrong)
    }

    /// Validates the input of a procedure.
    ///
    /// # Errors
    ///
    /// [`Invalid`] says what is wrong, and where. Without a schema, all data is valid.
    pub fn validate_input(&self, cbor: &[u8]) -> Result<(), Box<Invalid>> {
        self.validate(INPUT, cbor).map_err(|invalid| invalid.of(Subject::Input))
    }

    /// Validates the output of a method. For a subscription this is a message with its `$type`.
    ///
    /// # Errors
    ///
    /// [`Invalid`] says what is wrong, and where. Without a schema, all data is valid.
    pub fn validate_output(&self, cbor: &[u8]) -> Result<(), Box<Invalid>> {
        let subject = match self.kind() {
            MethodKind::Subscription => Subject::Message,
            _ => Subject::Output,
        };
        self.validate(OUTPUT, cbor).map_err(|invalid| invalid.of(subject))
    }

    fn validate(&self, body: usize, cbor: &[u8]) -> Result<(), Box<Invalid>> {
        match self.words.index(self.node + body) {
            0 => check(cbor).map_err(|error| Invalid::new(Reason::Data(error))),
            node => validate(self.words, node, cbor),
        }
    }

    fn encoding(&self, body: usize) -> Option<&'c str> {
        Some(self.words.name(self.node + body + 1)).filter(|encoding| !encoding.is_empty())
    }

    /// Converts the values of one parameter. There is at least one.
    fn read<'v>(&self, node: usize, values: &[&'v str]) -> Result<Value<'v>, Reason> {
        match (self.words.word(node) & 0xff, values) {
            (kind::ARRAY, _) => {
                let items = self.words.index(node + 1);
                values
                    .iter()
                    .map(|value| self.read(items, &[value]))
                    .collect::<Result<_, _>>()
                    .map(Value::Array)
            }
            (kind::BOOLEAN, ["false"]) => Ok(Value::Bool(false)),
            (kind::BOOLEAN, ["true"]) => Ok(Value::Bool(true)),
            (kind::BOOLEAN, _) => Err(Reason::Boolean),
            (kind::INTEGER, [value]) => integer(value).map(Value::Integer).ok_or(Reason::Integer),
            (kind::INTEGER, _) => Err(Reason::Integer),
            (_, [value]) => Ok(Value::Text(value)),
            _ => Err(Reason::Text),
        }
    }

    /// Returns the default of a parameter.
    fn default(&self, node: usize) -> Option<Value<'c>> {
        let first = self.words.word(node);
        if first & flag::DEFAULT == 0 {
            return None;
        }
        match first & 0xff {
            kind::BOOLEAN => Some(Value::Bool(first & flag::TRUE != 0)),
            kind::INTEGER => Some(Value::Integer(self.words.wide(node - 2))),
            kind::TEXT => Some(Value::Text(self.words.name(node - 2))),
            _ => None,
        }
    }
}

/// The offsets of the input and the output in a method's node.
const INPUT: usize = 2;
const OUTPUT: usize = 5;

/// A parameter with a value.
struct Param<'v> {
    name: &'v str,
    value: Value<'v>,
    /// Whether the caller passed it, so that it is not a default.
    given: bool,
}

enum Value<'v> {
    Array(Vec<Self>),
    Bool(bool),
    Integer(i64),
    Text(&'v str),
}

/// Parses a decimal integer with an optional minus sign.
fn integer(text: &str) -> Option<i64> {
    let is_plain = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse().ok().filter(|_| is_plain)?;
    (-MAX_INTEGER..=MAX_INTEGER).contains(&value).then_some(value)
}

fn write(params: &[&Param<'_>]) -> Result<Vec<u8>, Reason> {
    let mut cbor = Vec::new();
    let written = write_object(&mut cbor, params.len(), |object| {
        for Param { name, value, .. } in params {
            write_value(object.key(name), value);
        }
    });
    match written {
        Ok(()) => Ok(cbor),
        Err(EncodeError::Data(error)) => Err(Reason::Data(error)),
        // Unreachable: the keys are counted, and each gets its value.
        Err(EncodeError::Excess | EncodeError::Incomplete) => Err(Reason::Object),
    }
}

fn write_value(to: ValueWriter<'_>, value: &Value<'_>) {
    match value {
        Value::Array(items) => {
            let mut array = to.array(items.len());
            for item in items {
                write_value(array.item(), item);
            }
        }
        Value::Bool(is_so) => to.bool(*is_so),
        Value::Integer(integer) => to.integer(*integer),
        Value::Text(text) => to.text(text),
    }
}
