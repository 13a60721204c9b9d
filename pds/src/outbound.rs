//! Requests to other servers, with a guard for URLs that strangers choose.
//!
//! Strangers choose URLs in client metadata, DID documents, handles and proxied requests. Without
//! the guard, such a URL could make the server call another one in its own network, or itself.

mod client;
mod error;
mod limits;
mod redirect;
mod url;

pub use self::client::{Fetch, Outbound};
pub use self::error::OutboundError;
pub use self::limits::{Limits, collect};
pub use self::url::UrlError;
