//! Who the account is.

pub(crate) mod document;
