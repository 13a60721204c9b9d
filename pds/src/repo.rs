//! The repository: the write path (prepare, apply), export and import.

mod apply;
mod batch;
mod blocks;
mod build;
mod error;
mod export;
mod head;
mod import;
mod lock;
mod prepare;
mod repository;
mod subjects;
mod write;

pub(crate) use self::apply::Applied;
pub(crate) use self::batch::{Batch, NetWrites};
pub(crate) use self::blocks::BlocksError;
pub(crate) use self::build::{BuiltTree, build_tree};
pub(crate) use self::error::WriteError;
pub(crate) use self::export::{Export, ExportError};
pub(crate) use self::head::head_of;
pub(crate) use self::import::{Import, ImportError, Part, StagedImports};
pub(crate) use self::prepare::{RecordError, ValidationStatus};
pub(crate) use self::repository::Repository;
pub(crate) use self::subjects::subject;
pub(crate) use self::write::PreparedWrite;
