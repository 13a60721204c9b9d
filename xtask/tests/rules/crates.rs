//! Imports between crates go downwards only.

use alloc::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::table::Table;
use crate::{array, metadata, read, root, text};

/// The heading of the table of crates in `ARCHITECTURE.md`.
const HEADING: &str = "## Codemap";

/// Crates that `pds` and the crates below it may not depend on, directly or indirectly.
const HOST_ONLY: &[&str] = &["async-trait", "axum", "hyper", "reqwest", "tokio", "worker"];

#[test]
fn imports_between_crates_are_in_the_table_of_the_architecture() {
    let metadata = metadata("Cargo.toml");
    let members = Members::of(&metadata);
    let table = Table::read(&read("ARCHITECTURE.md"), HEADING);
    let parts = members.0.iter().map(|(folder, package)| {
        // A dependency of the tests counts: it makes the same cycles. A package may depend on
        // itself, as one does whose tests turn a feature on.
        let imports = array(&package["dependencies"]).filter_map(|import| members.folder(import));
        let place = format!("{folder}/Cargo.toml");
        (folder.clone(), imports.map(|import| (import, place.clone())).collect())
    });
    let mut wrong = table.violations(&parts.collect());
    wrong.extend(table.stale(|folder| root().join(folder).is_dir()));
    assert!(
        wrong.is_empty(),
        "the crates do not match the table under \"{HEADING}\" in ARCHITECTURE.md; remove the \
         dependency or change the table:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn pds_does_not_depend_on_crates_of_a_host() {
    let metadata = metadata("Cargo.toml");
    let names: BTreeMap<_, _> =
        array(&metadata["packages"]).map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<_, _> =
        array(&metadata["resolve"]["nodes"]).map(|node| (text(&node["id"]), node)).collect();
    let is_pds = |id: &&&str| text(&names[**id]["name"]) == "nacre-pds";
    let mut open = vec![*nodes.keys().find(is_pds).expect("pds/ is a member")];
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !reached.insert(id) {
            continue;
        }
        let name = text(&names[id]["name"]);
        assert!(!HOST_ONLY.contains(&name), "pds/, or a crate below it, depends on {name}");
        open.extend(array(&nodes[id]["deps"]).filter(outside_tests).map(|dep| text(&dep["pkg"])));
    }
    assert!(reached.len() > 10, "the dependency graph is too small");
}

#[test]
fn every_no_std_crate_is_linked_by_the_proof() {
    let claims: Vec<_> = Members::of(&metadata("Cargo.toml"))
        .0
        .into_iter()
        .filter(|(folder, _)| root().join(folder).join("src/lib.rs").exists())
        .filter(|(folder, _)| read(&format!("{folder}/src/lib.rs")).contains("#![no_std]"))
        .map(|(_, package)| text(&package["name"]).to_owned())
        .collect();
    let proof = metadata("xtask/no-std-proof/Cargo.toml");
    let proof = array(&proof["packages"]).find(|package| package["name"] == "nacre-no-std-proof");
    let proof = proof.expect("no-std-proof is a package");
    let mut proved: Vec<_> = array(&proof["dependencies"]).map(|it| text(&it["name"])).collect();
    proved.sort_unstable();
    let mut claims: Vec<_> = claims.iter().map(String::as_str).collect();
    claims.sort_unstable();
    assert_eq!(claims, proved);

    let linked = read("xtask/no-std-proof/src/lib.rs");
    for name in proved {
        let line = format!("use {} as _;", name.replace('-', "_"));
        assert!(linked.contains(&line), "xtask/no-std-proof/src/lib.rs lacks `{line}`");
    }
}

/// Returns the folder of each package of the workspace.
pub(crate) fn folders() -> Vec<String> {
    Members::of(&metadata("Cargo.toml")).0.into_keys().collect()
}

/// The packages of the workspace, by folder.
struct Members<'a>(BTreeMap<String, &'a Value>);

impl<'a> Members<'a> {
    fn of(metadata: &'a Value) -> Self {
        let ids: Vec<_> = array(&metadata["workspace_members"]).map(text).collect();
        let packages = array(&metadata["packages"]);
        let members = packages.filter(|package| ids.contains(&text(&package["id"])));
        Self(members.map(|package| (folder_of(package), package)).collect())
    }

    /// Returns the folder of a dependency, or `None` if it is not in the workspace.
    fn folder(&self, dependency: &Value) -> Option<String> {
        let name = text(&dependency["name"]);
        let mut members = self.0.iter();
        members
            .find(|(_, package)| text(&package["name"]) == name)
            .map(|(folder, _)| folder.clone())
    }
}

fn folder_of(package: &Value) -> String {
    let manifest = text(&package["manifest_path"]);
    let inside = manifest.strip_prefix(root().to_str().expect("the checkout's path is text"));
    let inside = inside.expect("members are in the checkout");
    inside.trim_start_matches('/').trim_end_matches("/Cargo.toml").to_owned()
}

fn outside_tests(dependency: &&Value) -> bool {
    array(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev")
}
