//! The life of the account on this server: first start, ownership by a database, activation,
//! deactivation and reset.

mod activation;
mod ownership;
mod reset;

pub(crate) use self::activation::{Activation, ActivationError};
pub(crate) use self::ownership::{Ownership, OwnershipError};
pub(crate) use self::reset::Reset;
pub use self::reset::ResetError;
