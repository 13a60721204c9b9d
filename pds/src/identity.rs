//! Identity: the DID document of the account.

pub(crate) mod document;
