//! Imports: a repository streams in as a CAR, is checked block by block and staged, and replaces
//! the old one in one transaction.
//!
//! A walk goes down the tree as its nodes arrive. A CAR in the tree's order costs one row per
//! record. A block that arrives before its place in the tree is known is staged as a block, which
//! costs one more row. An interrupted import resumes when the same commit is imported again. A
//! repository may also arrive in several parts: CARs with the same root.
//!
//! Only an inactive account can be imported into, and nothing is announced until activation.

mod car;
mod error;
mod root_commit;
mod walk;

pub(crate) use self::car::{Import, StagedImports};
pub(crate) use self::error::ImportError;
pub(crate) use self::walk::Part;
