//! The write path: prepare, apply, sequence. And the way back out: export.

mod activation;
mod apply;
mod audit;
mod batch;
mod blobs;
mod blocks;
mod events;
mod export;
mod heal;
mod import;
mod prepare;
mod subjects;

pub(crate) use self::activation::ActivationError;
pub(crate) use self::apply::{Applied, WriteError};
pub use self::audit::{Audit, AuditError};
pub(crate) use self::batch::{Batch, NetWrites};
pub(crate) use self::export::Export;
pub use self::heal::{HealError, Healed};
pub(crate) use self::import::{Imported, Part};
pub(crate) use self::prepare::{PreparedWrite, ValidationStatus, cid, path, record, validate};
