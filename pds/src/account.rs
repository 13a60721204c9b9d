//! The account: its identity, the state of its repository, and the variables of its first start.

mod profile;
mod setup;

pub(crate) use self::profile::Account;
pub(crate) use self::setup::{OTHER_OWNER, SetupRecord};
