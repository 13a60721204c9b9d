//! Validation of text, numbers, bytes, links and blobs.

use alloc::{borrow::ToOwned, string::String, string::ToString, vec::Vec};

use nacre_cbor::{FALSE, Major, TRUE};
use unicode_segmentation::UnicodeSegmentation;

use super::{Validation, Validator};
use crate::ReferencedBlob;
use crate::blob_shape::BlobShape;
use crate::cbor::integer;
use crate::schema::format::Format;
use crate::schema::invalid::{Invalid, Reason};
use crate::schema::layout::{FORMAT_BITS, FORMAT_SHIFT, flag, kind};
use crate::{MAX_DEPTH, utf8::is_utf8};

impl Validator<'_, '_> {
    pub(super) fn text(&mut self, node: usize) -> Validation {
        let Some(text) = self.take(Major::Text) else { return Err(Invalid::new(Reason::Text)) };
        let first = self.words.word(node);
        if first != kind::TEXT {
            self.text_within(first, node + 1, text).map_err(Invalid::new)?;
        }
        let format = usize::try_from(first >> FORMAT_SHIFT & FORMAT_BITS)
            .ok()
            .and_then(|at| at.checked_sub(1))
            .and_then(|at| Format::ALL.get(at));
        match format {
            None if is_utf8(text) => Ok(()),
            // Every format implies UTF-8.
            Some(format) if format.accepts(text) => Ok(()),
            None => Err(Invalid::new(Reason::Text)),
            Some(format) => Err(Invalid::new(Reason::Format(format.demand()))),
        }
    }

    /// Validates text, except for its format.
    fn text_within(&self, first: u32, at: usize, text: &[u8]) -> Result<(), Reason> {
        let words = self.words;
        let (limits, at) = self.limits_of(first, at, flag::MIN, flag::MAX);
        let (graphemes, mut at) =
            self.limits_of(first, at, flag::MIN_GRAPHEMES, flag::MAX_GRAPHEMES);
        if first & flag::CONST != 0 {
            let constant = words.name(at);
            at += 2;
            if text != constant.as_bytes() {
                return Err(Reason::Const(constant.to_owned()));
            }
        }
        if first & flag::ENUM != 0 {
            let count = words.index(at);
            let name = |index| words.name(at + 1 + 2 * index);
            if !(0..count).any(|index| text == name(index).as_bytes()) {
                return Err(Reason::Enum((0..count).map(|index| name(index).to_owned()).collect()));
            }
        }
        if let Some(most) = limits.above(text.len()) {
            return Err(Reason::LongText(most));
        }
        if let Some(least) = limits.below(text.len()) {
            return Err(Reason::ShortText(least));
        }
        // Text has at most as many graphemes as bytes, so short text needs no count.
        if graphemes.above(text.len()).is_some() || graphemes.least.is_some() {
            let text = core::str::from_utf8(text).map_err(|_| Reason::Text)?;
            let count = text.graphemes(true).count();
            if let Some(most) = graphemes.above(count) {
                return Err(Reason::LongGraphemes(most));
            }
            if let Some(least) = graphemes.below(count) {
                return Err(Reason::ShortGraphemes(least));
            }
        }
        Ok(())
    }

    pub(super) fn integer(&mut self, node: usize) -> Validation {
        let head = self.reader.head().ok();
        let value = head.and_then(|head| integer(head).ok());
        let Some(value) = value else { return Err(Invalid::new(Reason::Integer)) };
        self.integer_within(node, value).map_err(Invalid::new)
    }

    fn integer_within(&self, node: usize, value: i64) -> Result<(), Reason> {
        let first = self.words.word(node);
        let mut at = node + 1;
        let mut limit = |flag| {
            let limit = (first & flag != 0).then(|| self.words.wide(at));
            at += if limit.is_some() { 2 } else { 0 };
            limit
        };
        let (minimum, maximum) = (limit(flag::MIN), limit(flag::MAX));
        match limit(flag::CONST) {
            Some(constant) if value != constant => return Err(Reason::Const(constant.to_string())),
            _ => {}
        }
        if first & flag::ENUM != 0 {
            let values = (0..self.words.index(at)).map(|index| self.words.wide(at + 1 + 2 * index));
            if !values.clone().any(|one| one == value) {
                return Err(Reason::Enum(values.map(|one| one.to_string()).collect()));
            }
        }
        match (minimum, maximum) {
            (_, Some(most)) if value > most => Err(Reason::Maximum(most)),
            (Some(least), _) if value < least => Err(Reason::Minimum(least)),
            _ => Ok(()),
        }
    }

    pub(super) fn boolean(&mut self, node: usize) -> Validation {
        let value = match self.reader.peek() {
            Some(TRUE) => true,
            Some(FALSE) => false,
            _ => return Err(Invalid::new(Reason::Boolean)),
        };
        self.reader.skip_byte();
        let first = self.words.word(node);
        let constant = first & flag::TRUE != 0;
        if first & flag::CONST != 0 && value != constant {
            return Err(Invalid::new(Reason::Const(constant.to_string())));
        }
        Ok(())
    }

    pub(super) fn bytes(&mut self, node: usize) -> Validation {
        let Some(bytes) = self.take(Major::Bytes) else { return Err(Invalid::new(Reason::Bytes)) };
        let limits = self.limits(node, node + 1);
        if let Some(most) = limits.above(bytes.len()) {
            return Err(Invalid::new(Reason::LongBytes(most)));
        }
        if let Some(least) = limits.below(bytes.len()) {
            return Err(Invalid::new(Reason::ShortBytes(least)));
        }
        Ok(())
    }

    pub(super) fn link(&mut self) -> Validation {
        self.reader.link().map(drop).map_err(|_| Invalid::new(Reason::Link))
    }

    pub(super) fn blob(&mut self, node: usize) -> Validation {
        let blob = BlobShape::take(&mut self.reader).filter(|_| self.depth < MAX_DEPTH);
        let Some(blob) = blob else { return Err(Invalid::new(Reason::Blob)) };
        let (words, first) = (self.words, self.words.word(node));
        let mut at = node + 1;
        if first & flag::MAX != 0 {
            let most = self.words.wide(at).cast_unsigned();
            at += 2;
            if blob.size > most && !self.is_kept(&blob) {
                return Err(Invalid::new(Reason::BlobSize(most)));
            }
        }
        if first & flag::ENUM != 0 {
            let types = (0..words.index(at)).map(|index| words.name(at + 1 + 2 * index));
            if !types.clone().any(|pattern| is_of_type(blob.mime_type, pattern))
                && !self.is_kept(&blob)
            {
                let types: Vec<String> = types.map(ToOwned::to_owned).collect();
                return Err(Invalid::new(Reason::BlobType(types)));
            }
        }
        Ok(())
    }

    /// Returns whether a reference to the same blob with the same media type is kept.
    #[cold]
    fn is_kept(&self, blob: &BlobShape<'_>) -> bool {
        let cid = blob.cid();
        let names = |kept: &ReferencedBlob| {
            kept.mime_type.as_ref().is_some_and(|kept| kept.as_bytes() == blob.mime_type)
        };
        self.kept.iter().any(|kept| kept.cid == cid && names(kept))
    }

    /// Returns the limits of a length, which start at `at`.
    pub(super) fn limits(&self, node: usize, at: usize) -> Limits {
        self.limits_of(self.words.word(node), at, flag::MIN, flag::MAX).0
    }

    fn limits_of(&self, first: u32, at: usize, min: u32, max: u32) -> (Limits, usize) {
        let mut at = at;
        let mut limit = |flag| {
            let limit = (first & flag != 0).then(|| self.words.word(at));
            at += usize::from(limit.is_some());
            limit
        };
        (Limits { least: limit(min), most: limit(max) }, at)
    }
}

/// The limits of a length.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) least: Option<u32>,
    most: Option<u32>,
}

impl Limits {
    /// Returns the upper limit if a length exceeds it.
    pub(super) fn above(&self, length: usize) -> Option<u32> {
        self.most.filter(|most| usize::try_from(*most).is_ok_and(|most| length > most))
    }

    /// Returns the lower limit if a length is below it.
    pub(super) fn below(&self, length: usize) -> Option<u32> {
        self.least.filter(|least| usize::try_from(*least).map_or(true, |least| length < least))
    }
}

/// Returns whether a media type matches a pattern, which may end in a star.
fn is_of_type(mime_type: &[u8], pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("*/") => true,
        Some(start) => mime_type.starts_with(start.as_bytes()),
        None => mime_type == pattern.as_bytes(),
    }
}
