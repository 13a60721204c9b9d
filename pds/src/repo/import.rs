//! Imports: a repository streams in as a CAR, is checked block by block and staged, and replaces
//! the old one in one transaction.
//!
//! A walk goes down the tree as its nodes arrive. A CAR in the tree's order costs one row a record;
//! a block that arrives before its place is known is parked, which costs one row more. An
//! interrupted import resumes when the same commit is imported again. A CAR may also arrive in
//! several parts under one root, each a CAR of its own.
//!
//! Only an inactive account can be imported into, and nothing is announced: the imported commit
//! stands as delivered until activation.

mod error;
mod root_commit;
mod transfer;
mod walk;

pub(crate) use self::error::{ImportError, is_row_limit};
pub(crate) use self::transfer::{Import, StagedImports};
pub(crate) use self::walk::Part;
