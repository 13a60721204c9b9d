//! Imports inside a crate go downwards only.

mod cfg;
mod cycles;
mod imports;
mod layers;
mod planted;
mod resolve;
mod sources;
mod tokens;
mod tree;

use crate::table::Table;
use crate::{crates, read};
use cycles::Graph;
use tree::Tree;

/// The heading of the table of `pds` in `ARCHITECTURE.md`.
const HEADING: &str = "## Inside pds";

#[test]
fn imports_between_modules_of_pds_are_in_the_table_of_the_architecture() {
    let table = Table::read(&read("ARCHITECTURE.md"), HEADING);
    let tree = Tree::read(&sources::read("pds"));
    let wrong = layers::violations(&table, &tree);
    assert!(
        wrong.is_empty(),
        "pds/src does not match the table under \"{HEADING}\" in ARCHITECTURE.md; move the code \
         or change the table:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn files_of_a_crate_do_not_import_each_other_in_a_cycle() {
    let folders = crates::folders();
    assert!(folders.len() > 10, "crates are missing: {folders:?}");
    let mut found = Vec::new();
    for folder in &folders {
        let tree = Tree::read(&sources::read(folder));
        let cycles = Graph::of(&imports::imports(&tree)).into_cycles();
        found.extend(cycles.iter().map(|cycle| format!("{folder}/src: {cycle}")));
    }
    assert!(
        found.is_empty(),
        "files import each other; move the names that they share to a file of their own:\n{}",
        found.join("\n")
    );
}
