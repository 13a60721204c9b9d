//! Builds the tree from all records, for an import or a heal.

use core::cell::RefCell;

use cid::Cid;
use nacre_mst::{BuildError, Builder};
use nacre_syntax::{RepoPath, Tid};

use crate::host::{Compute, SqlError};
use crate::store::{PageBuilder, PageChanges, Store};

/// A tree whose pages are staged.
pub(crate) struct BuiltTree {
    pub(crate) root: Cid,
    /// The change that writes the root page.
    pub(crate) pages: PageChanges,
    /// The number of nodes.
    pub(crate) nodes: i64,
}

/// Builds the tree of the records that `next` returns after a path, and stages its pages.
///
/// Each step is one transaction, and other requests are served between steps.
pub(crate) async fn build_tree<E: From<SqlError>>(
    compute: &dyn Compute,
    store: &Store,
    rev: Tid,
    mut next: impl FnMut(&str) -> Result<Vec<(RepoPath, Cid)>, E>,
) -> Result<BuiltTree, E> {
    let page_builder = RefCell::new(PageBuilder::new(store, rev)?);
    let mut builder =
        Builder::new(|cid, node: &[u8]| page_builder.borrow_mut().add_node(&cid, node));
    let mut last = String::new();
    loop {
        let is_over = store.transaction(|| {
            let records = next(&last)?;
            let Some((path, _)) = records.last() else { return Ok::<_, E>(true) };
            last = path.as_str().to_owned();
            for (path, cid) in records {
                builder.push(path.as_str().to_owned(), cid).map_err(sql_error)?;
            }
            Ok(false)
        })?;
        if is_over {
            break;
        }
        compute.next_turn().await;
    }
    let root = store.transaction(|| builder.finish().map_err(sql_error))?.root();
    let (pages, nodes) = page_builder.into_inner().finish(&root)?;
    Ok(BuiltTree { root, pages, nodes })
}

fn sql_error(error: BuildError<SqlError>) -> SqlError {
    match error {
        BuildError::Sink(error) => error,
        error => SqlError::other(error.to_string()),
    }
}
