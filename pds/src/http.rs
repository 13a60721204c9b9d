//! HTTP that does not need the account's state: CORS, well-known documents, blob ranges.

mod cors;
mod download;
mod request_headers;
mod response;
mod well_known;

pub(crate) use self::cors::{add_headers, allow_any_origin, is_authorized};
pub(crate) use self::download::BlobHead;
pub use self::download::Download;
pub(crate) use self::request_headers::IMPORT_PART;
pub use self::request_headers::REQUEST_HEADERS;
pub(crate) use self::response::typed;
pub use self::well_known::{answer, is_stateless};
