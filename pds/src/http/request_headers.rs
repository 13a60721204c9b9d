//! The request headers that the server reads.

use http::header::{self, HeaderName};

/// The request headers that the server reads, other than those of its host. A host may leave out
/// all others.
pub static REQUEST_HEADERS: [HeaderName; 12] = [
    header::ACCESS_CONTROL_REQUEST_HEADERS,
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::RANGE,
    header::UPGRADE,
    header::USER_AGENT,
    IMPORT_PART,
];

/// States which part of an import a CAR is.
pub(crate) const IMPORT_PART: HeaderName = HeaderName::from_static("nacre-import");
