//! Authentication: sessions and their tokens, signing in, access rules.

mod access;
mod jwt;
mod sessions;
mod sign_in;

pub(crate) use self::access::{
    AccessError, AccessRules, ActiveOwner, AnyRefresh, Operator, Owner, Refresh,
};
pub(crate) use self::sessions::{SessionError, Sessions, TokenPair};
pub(crate) use self::sign_in::{SignIn, SignInError};
