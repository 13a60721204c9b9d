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

/// Imports that may close a cycle: the crate, the importing file, the imported file, the reason.
const TOLERATED: &[(&str, &str, &str, &str)] = &[];

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
fn files_of_pds_do_not_import_each_other_in_a_cycle() {
    assert_acyclic(&["pds".to_owned()]);
}

#[test]
fn files_of_other_crates_do_not_import_each_other_in_a_cycle() {
    let mut folders = crates::folders();
    folders.retain(|folder| folder != "pds");
    assert!(folders.len() > 10, "crates are missing: {folders:?}");
    assert_acyclic(&folders);
}

#[test]
fn every_tolerated_import_exists() {
    for (folder, from, to, reason) in TOLERATED {
        let imports = imports::imports(&Tree::read(&sources::read(folder)));
        let exists = imports.iter().any(|import| import.from == *from && import.to == *to);
        assert!(exists, "{folder}: {from} no longer imports {to}; remove \"{reason}\"");
    }
}

fn assert_acyclic(folders: &[String]) {
    let mut found = Vec::new();
    for folder in folders {
        let mut graph = Graph::of(&imports::imports(&Tree::read(&sources::read(folder))));
        for (_, from, to, _) in TOLERATED.iter().filter(|(tolerated, ..)| tolerated == folder) {
            graph.remove(from, to);
        }
        found.extend(graph.into_cycles().iter().map(|cycle| format!("{folder}/src: {cycle}")));
    }
    assert!(
        found.is_empty(),
        "files import each other; move the names that they share to a file of their own:\n{}",
        found.join("\n")
    );
}
