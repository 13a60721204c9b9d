//! The account's configuration: the same variables and secrets on every host.

mod bcrypt;
mod error;
mod host_name;
mod identity;
mod location;
mod password_hash;
mod relay_list;
mod secrets;
mod suggest;
mod values;
mod variables;

pub use self::error::ConfigError;
pub use self::host_name::did_web;
pub use self::identity::Identity;
pub use self::location::DataLocation;
pub use self::password_hash::PasswordHash;
pub use self::secrets::Secret;
pub use self::variables::{Config, new_account};
