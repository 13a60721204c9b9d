//! The formats that a schema can demand of text.

use nacre_syntax::{
    AtIdentifier, AtUri, CidString, Datetime, Did, Handle, Language, Nsid, RecordKey, Tid, Uri,
};

/// A format of text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    AtIdentifier,
    AtUri,
    Cid,
    Datetime,
    Did,
    Handle,
    Language,
    Nsid,
    RecordKey,
    Tid,
    Uri,
}

impl Format {
    pub(super) const ALL: [Self; 11] = [
        Self::AtIdentifier,
        Self::AtUri,
        Self::Cid,
        Self::Datetime,
        Self::Did,
        Self::Handle,
        Self::Language,
        Self::Nsid,
        Self::RecordKey,
        Self::Tid,
        Self::Uri,
    ];

    /// Returns the name that schemas use.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AtIdentifier => "at-identifier",
            Self::AtUri => "at-uri",
            Self::Cid => "cid",
            Self::Datetime => "datetime",
            Self::Did => "did",
            Self::Handle => "handle",
            Self::Language => "language",
            Self::Nsid => "nsid",
            Self::RecordKey => "record-key",
            Self::Tid => "tid",
            Self::Uri => "uri",
        }
    }

    /// Returns whether bytes are text in this format. Allocates nothing.
    pub(super) fn accepts(self, text: &[u8]) -> bool {
        match self {
            Self::AtIdentifier => AtIdentifier::check(text).is_ok(),
            Self::AtUri => AtUri::check(text).is_ok(),
            Self::Cid => CidString::check(text).is_ok(),
            Self::Datetime => Datetime::check(text).is_ok(),
            Self::Did => Did::check(text).is_ok(),
            Self::Handle => Handle::check(text).is_ok(),
            Self::Language => Language::check(text).is_ok(),
            Self::Nsid => Nsid::check(text).is_ok(),
            Self::RecordKey => RecordKey::check(text).is_ok(),
            Self::Tid => core::str::from_utf8(text).is_ok_and(|text| Tid::parse(text).is_ok()),
            Self::Uri => Uri::check(text).is_ok(),
        }
    }

    /// Returns the description of the format, in the wording that clients know from other servers.
    pub(super) fn demand(self) -> &'static str {
        match self {
            Self::AtIdentifier => "a valid did or a handle",
            Self::AtUri => "a valid at-uri",
            Self::Cid => "a cid string",
            Self::Datetime => "an valid atproto datetime (both RFC-3339 and ISO-8601)",
            Self::Did => "a valid did",
            Self::Handle => "a valid handle",
            Self::Language => "a well-formed BCP 47 language tag",
            Self::Nsid => "a valid nsid",
            Self::RecordKey => "a valid Record Key",
            Self::Tid => "a valid TID",
            Self::Uri => "a uri",
        }
    }
}
