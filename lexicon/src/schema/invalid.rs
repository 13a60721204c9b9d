//! Errors of data that does not match its schema.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use crate::DataError;

/// Why data does not match its schema, and where.
///
/// The message has the wording that clients know from other servers: `Record/text must not be
/// longer than 3000 characters`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invalid {
    pub(super) subject: Subject,
    /// The path from the invalid value up to the outermost one.
    pub(super) steps: Vec<Step>,
    pub(super) reason: Reason,
}

/// The kind of data that was validated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Subject {
    /// The input of a procedure.
    Input,
    /// A message of a subscription.
    Message,
    /// The output of a method.
    Output,
    /// The parameters of a method.
    Params,
    /// A record.
    Record,
}

/// A step of a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Item(usize),
    Key(String),
}

/// The rule that a value breaks.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It must be an array.
    #[error("must be an array")]
    Array,
    /// It must be a reference to a blob.
    #[error("should be a blob ref")]
    Blob,
    /// The blob is larger than this.
    #[error("must not be larger than {0} bytes")]
    BlobSize(u64),
    /// The blob is of another media type than these.
    #[error("must be of type {}", .0.join(" or "))]
    BlobType(Vec<String>),
    /// It must be true or false.
    #[error("must be a boolean")]
    Boolean,
    /// It must be bytes.
    #[error("must be a byte array")]
    Bytes,
    /// It must be this.
    #[error("must be {0}")]
    Const(String),
    /// The input is not valid data.
    #[error(transparent)]
    Data(DataError),
    /// It must be one of these.
    #[error("must be one of ({})", .0.join("|"))]
    Enum(Vec<String>),
    /// There are fewer items than this.
    #[error("must not have fewer than {0} elements")]
    FewItems(u32),
    /// It must have this format.
    #[error("must be {0}")]
    Format(&'static str),
    /// It must be an integer.
    #[error("must be an integer")]
    Integer,
    /// It must be a link.
    #[error("must be a CID")]
    Link,
    /// There are more bytes than this.
    #[error("must not be larger than {0} bytes")]
    LongBytes(u32),
    /// There are more graphemes than this.
    #[error("must not be longer than {0} graphemes")]
    LongGraphemes(u32),
    /// The text has more bytes of UTF-8 than this.
    #[error("must not be longer than {0} characters")]
    LongText(u32),
    /// There are more items than this.
    #[error("must not have more than {0} elements")]
    ManyItems(u32),
    /// It is above this.
    #[error("can not be greater than {0}")]
    Maximum(i64),
    /// It is below this.
    #[error("can not be less than {0}")]
    Minimum(i64),
    /// A required property is missing.
    #[error("must have the property \"{0}\"")]
    Missing(String),
    /// It must be an object.
    #[error("must be an object")]
    Object,
    /// There are fewer bytes than this.
    #[error("must not be smaller than {0} bytes")]
    ShortBytes(u32),
    /// There are fewer graphemes than this.
    #[error("must not be shorter than {0} graphemes")]
    ShortGraphemes(u32),
    /// The text has fewer bytes of UTF-8 than this.
    #[error("must not be shorter than {0} characters")]
    ShortText(u32),
    /// It must be text.
    #[error("must be a string")]
    Text,
    /// It must be an object with a `$type`.
    #[error("must be an object which includes the \"$type\" property")]
    Untyped,
    /// Its `$type` must be one of these.
    #[error("$type must be one of {}", .0.join(", "))]
    Variant(Vec<String>),
}

impl Invalid {
    pub(super) fn new(reason: Reason) -> Box<Self> {
        Box::new(Self { subject: Subject::Record, steps: Vec::new(), reason })
    }

    /// Sets the kind of data, which defaults to a record.
    pub(super) fn of(mut self: Box<Self>, subject: Subject) -> Box<Self> {
        self.subject = subject;
        self
    }

    /// Returns the kind of data.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Returns the rule that the value breaks.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Returns the path to the value: names and indices from the outermost value down, separated by
    /// slashes. The path of the outermost value is empty.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for (index, step) in self.steps.iter().rev().enumerate() {
            if index > 0 {
                path.push('/');
            }
            let _ = fmt::write(&mut path, format_args!("{step}"));
        }
        path
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match self.subject {
            Subject::Input => "Input",
            Subject::Message => "Message",
            Subject::Output => "Output",
            Subject::Params => "Params",
            Subject::Record => "Record",
        };
        match (self.subject, &*self.steps) {
            // A parameter is identified by its name alone.
            (Subject::Params, [below @ .., Step::Key(name)]) => {
                f.write_str(name)?;
                write_steps(f, below)?;
            }
            (_, steps) => {
                f.write_str(subject)?;
                write_steps(f, steps)?;
            }
        }
        write!(f, " {}", self.reason)
    }
}

impl core::error::Error for Invalid {}

fn write_steps(f: &mut fmt::Formatter<'_>, steps: &[Step]) -> fmt::Result {
    steps.iter().rev().try_for_each(|step| write!(f, "/{step}"))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(index) => write!(f, "{index}"),
            Self::Key(key) => f.write_str(key),
        }
    }
}
