//! The write path: prepare, apply, sequence. And the way back out: export.

mod apply;
mod audit;
mod blobs;
mod blocks;
mod events;
mod export;
mod import;
mod prepare;
mod subjects;

pub(crate) use self::apply::{Applied, WriteError};
pub use self::audit::{Audit, AuditError};
pub(crate) use self::export::Export;
pub(crate) use self::prepare::{PreparedWrite, ValidationStatus, cid, path, record, validate};
