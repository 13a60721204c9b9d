//! Compares the top-level modules of a crate with a table.

use alloc::collections::BTreeMap;

use super::imports::imports;
use super::tree::{ROOT, Tree};
use crate::table::{Imports, Table};

/// Returns what the table forbids or lacks, a line each. The crate's root may import everything.
///
/// An import counts for every top-level module on its way: for the one that its path names, for
/// those that re-export the name, and for the one that defines it.
pub(crate) fn violations(table: &Table, tree: &Tree) -> Vec<String> {
    let modules = tree.modules.iter().filter(|module| module.parent == Some(ROOT));
    let mut parts: BTreeMap<_, _> =
        modules.map(|module| (module.name.clone(), Imports::new())).collect();
    for import in imports(tree) {
        let Some(part) = import.importer.and_then(|importer| parts.get_mut(&importer)) else {
            continue;
        };
        for to in import.through {
            let places = part.entry(to).or_default();
            let separator = if places.is_empty() { "" } else { ", " };
            *places = format!("{places}{separator}{} ({})", import.from, import.name);
        }
    }
    let stale = table.stale(|part| parts.contains_key(part));
    table.violations(&parts).into_iter().chain(stale).collect()
}
