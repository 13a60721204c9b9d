//! The dot-separated labels of domain names, which handles and NSIDs share.

use crate::text::all;

/// The most bytes that one label may have.
pub(crate) const MAX_LABEL_BYTES: usize = 63;

/// Which rule a label breaks.
pub(crate) enum LabelFault {
    Character,
    Hyphen,
    Length,
}

/// Checks one label: 1 to 63 letters, digits and hyphens, with no hyphen at either end.
pub(crate) fn check(label: &[u8]) -> Result<(), LabelFault> {
    if label.is_empty() || label.len() > MAX_LABEL_BYTES {
        return Err(LabelFault::Length);
    }
    if !all(label, |byte| byte.is_ascii_alphanumeric() | (byte == b'-')) {
        return Err(LabelFault::Character);
    }
    if label.starts_with(b"-") || label.ends_with(b"-") {
        return Err(LabelFault::Hyphen);
    }
    Ok(())
}

/// Reports whether the label starts with an ASCII letter.
pub(crate) fn starts_with_letter(label: &[u8]) -> bool {
    label.first().is_some_and(u8::is_ascii_alphabetic)
}
