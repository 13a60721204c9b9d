//! The commit at the root of a CAR, which may be of an older version.

use cid::Cid;
use nacre_commit::{Commit, MAX_COMMIT_BYTES};
use nacre_syntax::Did;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::error::ImportError;

/// The block at the root of a CAR.
pub(super) enum RootCommit {
    Commit(Commit),
    /// A commit of version 2 that has no rev, or is not encoded canonically.
    Legacy(LegacyCommit),
}

/// The properties of a commit of version 2 that an import needs.
#[derive(Deserialize)]
pub(super) struct LegacyCommit {
    pub(super) did: Did,
    #[serde(deserialize_with = "link")]
    pub(super) data: Cid,
    version: u8,
}

impl RootCommit {
    pub(super) fn decode(block: &[u8]) -> Result<Self, ImportError> {
        let error = match Commit::decode(block) {
            Ok(commit) => return Ok(Self::Commit(commit)),
            Err(error) => error,
        };
        // The signature does not matter, because this server signs a commit that replaces this one.
        let old = || {
            let block = Some(block).filter(|block| block.len() <= MAX_COMMIT_BYTES)?;
            let json = nacre_lexicon::to_json_lossy(block).ok()?;
            let commit: LegacyCommit = serde_json::from_str(&json).ok()?;
            (commit.version == 2).then_some(commit)
        };
        old().map(Self::Legacy).ok_or_else(|| error.into())
    }

    pub(super) fn data(&self) -> Cid {
        match self {
            Self::Commit(commit) => commit.data,
            Self::Legacy(commit) => commit.data,
        }
    }

    pub(super) fn did(&self) -> &Did {
        match self {
            Self::Commit(commit) => &commit.did,
            Self::Legacy(commit) => &commit.did,
        }
    }
}

fn link<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cid, D::Error> {
    #[derive(Deserialize)]
    struct Link {
        #[serde(rename = "$link")]
        cid: String,
    }
    let Link { cid } = Link::deserialize(deserializer)?;
    Cid::try_from(cid).map_err(D::Error::custom)
}
