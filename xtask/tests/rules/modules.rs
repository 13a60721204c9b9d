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

/// The crate, the importing file, the imported file, the reason.
type Tolerated = (&'static str, &'static str, &'static str, &'static str);

/// Imports that may close a cycle.
const TOLERATED: &[Tolerated] = &[];

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
fn every_tolerated_import_closes_a_cycle() {
    let mut stale = Vec::new();
    for (at, (folder, from, to, _)) in TOLERATED.iter().enumerate() {
        let others = TOLERATED.iter().enumerate().filter(|(other, _)| *other != at);
        if graph(folder, others.map(|(_, import)| import)).into_cycles().is_empty() {
            stale.push(format!("{folder}: {from} -> {to}"));
        }
    }
    assert!(stale.is_empty(), "remove these from the tolerated imports: {stale:#?}");
}

fn assert_acyclic(folders: &[String]) {
    let mut found = Vec::new();
    for folder in folders {
        let cycles = graph(folder, TOLERATED).into_cycles();
        found.extend(cycles.iter().map(|cycle| format!("{folder}/src: {cycle}")));
    }
    assert!(
        found.is_empty(),
        "files import each other; move the names that they share to a file of their own:\n{}",
        found.join("\n")
    );
}

/// Returns the graph of a crate without the `tolerated` imports.
fn graph<'a>(folder: &str, tolerated: impl IntoIterator<Item = &'a Tolerated>) -> Graph {
    let mut graph = Graph::of(&imports::imports(&Tree::read(&sources::read(folder))));
    for (_, from, to, _) in tolerated.into_iter().filter(|import| import.0 == folder) {
        graph.remove(from, to);
    }
    graph
}
