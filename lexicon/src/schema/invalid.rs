//! What is wrong with data by its schema.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use crate::DataError;

/// Why data is not as its schema says: what is wrong, and where.
///
/// Written out it reads as clients know it: `Record/text must not be longer than 3000 characters`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invalid {
    pub(super) subject: Subject,
    /// The names and numbers on the steps from the place that is wrong up to the top.
    pub(super) steps: Vec<Step>,
    pub(super) reason: Reason,
}

/// What data is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Subject {
    /// What is sent to a procedure.
    Input,
    /// What a subscription sends.
    Message,
    /// What a method answers.
    Output,
    /// The parameters of a method.
    Params,
    /// A record.
    Record,
}

/// A step on the steps down.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Item(usize),
    Key(String),
}

/// What is wrong in a place.
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
    /// The whole is not data.
    #[error(transparent)]
    Data(DataError),
    /// It must be one of these.
    #[error("must be one of ({})", .0.join("|"))]
    Enum(Vec<String>),
    /// There are fewer items than this.
    #[error("must not have fewer than {0} elements")]
    FewItems(u32),
    /// It must be what this says.
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
    /// A property is not there.
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
    /// It must be an object that says of which type it is.
    #[error("must be an object which includes the \"$type\" property")]
    Untyped,
    /// It is of another type than these.
    #[error("$type must be one of {}", .0.join(", "))]
    Variant(Vec<String>),
}

impl Invalid {
    pub(super) fn new(reason: Reason) -> Box<Self> {
        Box::new(Self { subject: Subject::Record, steps: Vec::new(), reason })
    }

    /// Says what data it is that is wrong, if it is not a record.
    pub(super) fn of(mut self: Box<Self>, subject: Subject) -> Box<Self> {
        self.subject = subject;
        self
    }

    /// Returns what data is wrong.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Returns where it is: names and numbers from the top down, a slash between. The data itself
    /// is at the empty path.
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
            // A parameter is known by its name alone.
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
