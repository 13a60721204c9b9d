//! Who may do what.

pub(crate) mod access;
mod jwt;
pub(crate) mod limits;
pub(crate) mod password;
pub(crate) mod session;
