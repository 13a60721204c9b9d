//! The life of the account on this server: its first start, which database owns it, activation and
//! deactivation, and reset.

mod activation;
mod ownership;
mod reset;

pub(crate) use self::activation::{Activation, ActivationError};
pub(crate) use self::ownership::{Ownership, OwnershipError};
pub(crate) use self::reset::Reset;
pub use self::reset::ResetError;
