//! The check of all pages: table `page`, and the root page in `account`.

use std::collections::HashMap;

use cid::Cid;
use nacre_cbor::Digest;

use super::sql::Store;
use super::tree_page::{PartKind, ROOT_PAGE, TreePage};
use crate::host::SqlError;

/// Result of a check of all pages.
#[derive(Clone, Debug)]
pub(crate) struct PageAudit {
    /// Number of readable pages, without the root page.
    pub(crate) pages: u64,
    pub(crate) faults: Vec<PageFault>,
}

/// A fault of the page of this number.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PageFault {
    /// The page does not decode.
    #[error("page {0} is corrupt")]
    Corrupt(i64),
    /// A reference leads to no page, or to one that another reference leads to.
    #[error("page {0} is missing, corrupt or referenced twice")]
    Missing(i64),
    /// No page refers to the page.
    #[error("page {0} is not in use")]
    Unused(i64),
    /// The page's top node is not the referenced one.
    #[error("page {0} does not start with the referenced node")]
    WrongNode(i64),
}

impl Store {
    /// Reads all pages and checks that each decodes and is referenced exactly once, starting from
    /// the root node `root`.
    pub(crate) fn audit_pages(&self, root: &Cid) -> Result<PageAudit, SqlError> {
        let mut faults = Vec::new();
        let mut tops = HashMap::new();
        let mut references = Vec::new();
        let all = "select 0, root_page from account union all select id, bytes from page";
        self.query(all, &[], &mut |row| {
            let id = row.integer(0)?;
            match TreePage::parse(String::new(), row.blob(1)?) {
                Some(page) => {
                    let _ = tops.insert(id, page.top());
                    references.extend(page.parts.iter().filter_map(|part| match part.kind {
                        PartKind::Reference(below) => Some((below, part.digest)),
                        PartKind::Node { .. } => None,
                    }));
                }
                None => faults.push(PageFault::Corrupt(id)),
            }
            Ok(())
        })?;
        let pages = u64::try_from(tops.len().saturating_sub(1)).unwrap_or(u64::MAX);
        references.extend(Digest::from_cid(root).map(|root| (ROOT_PAGE, root)));
        for (id, digest) in references {
            match tops.remove(&id) {
                Some(top) if top == Some(digest) => {}
                Some(_) => faults.push(PageFault::WrongNode(id)),
                None => faults.push(PageFault::Missing(id)),
            }
        }
        faults.extend(tops.keys().map(|id| PageFault::Unused(*id)));
        Ok(PageAudit { pages, faults })
    }
}
