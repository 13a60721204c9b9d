//! Integrity: consistency checks and repairs of the database and the blob store.

mod audit;
mod audit_blobs;
mod checker;
mod heal;
mod heal_blobs;
mod mentions;
mod report;

pub(crate) use self::checker::Integrity;
pub(crate) use self::heal::StagedHeals;
pub use self::heal::{HealError, Healed};
pub use self::report::{Audit, AuditError};
