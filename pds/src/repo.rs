//! The write path: prepare, apply, sequence. And the way back out: export.

mod apply;
mod events;
mod export;
mod prepare;

pub(crate) use self::apply::{Applied, WriteError};
pub(crate) use self::export::car as export;
pub(crate) use self::prepare::{PreparedWrite, ValidationStatus, cid, path, record, validate};
