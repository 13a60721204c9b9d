//! Imports go downwards only.

use alloc::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{array, metadata, read, root, text};

/// What nothing below the hosts may depend on, however far away.
const HOST_ONLY: &[&str] = &["async-trait", "axum", "hyper", "reqwest", "tokio", "worker"];

#[test]
fn every_import_is_in_the_table_of_the_architecture() {
    let metadata = metadata("Cargo.toml");
    let members = Members::of(&metadata);
    let table = Table::of(&read("ARCHITECTURE.md"));
    let mut wrong = Vec::new();
    for (folder, package) in &members.0 {
        let Some(allowed) = table.0.get(folder) else {
            wrong.push(format!("{folder}/ has no row"));
            continue;
        };
        // A dependency of the tests is an import too: it makes the same circles. Only itself may a
        // package import, as its tests do to turn a feature on.
        for import in array(&package["dependencies"]).filter_map(|import| members.folder(import)) {
            if import != *folder && !allowed.contains(&import) {
                wrong.push(format!("{folder}/ imports {import}/"));
            }
        }
    }
    assert!(wrong.is_empty(), "not as ARCHITECTURE.md says: {wrong:#?}");
}

#[test]
fn every_row_imports_only_from_rows_above_it() {
    let table = Table::of(&read("ARCHITECTURE.md"));
    for (folder, allowed) in &table.0 {
        for import in allowed {
            let reached = table.0.get(import).unwrap_or_else(|| panic!("{import}/ has no row"));
            assert!(!reached.contains(folder), "{folder}/ and {import}/ import each other");
        }
    }
}

#[test]
fn what_a_host_is_made_of_stays_out_of_the_server() {
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
    assert!(reached.len() > 10, "the graph was read");
}

#[test]
fn every_crate_that_claims_no_std_is_in_the_proof() {
    let claims: Vec<_> = Members::of(&metadata("Cargo.toml"))
        .0
        .into_iter()
        .filter(|(folder, _)| root().join(folder).join("src/lib.rs").exists())
        .filter(|(folder, _)| read(&format!("{folder}/src/lib.rs")).contains("#![no_std]"))
        .map(|(_, package)| text(&package["name"]).to_owned())
        .collect();
    let proof = metadata("xtask/no-std-proof/Cargo.toml");
    let proof = array(&proof["packages"]).find(|package| package["name"] == "nacre-no-std-proof");
    let proof = proof.expect("the proof is a package");
    let mut proved: Vec<_> = array(&proof["dependencies"]).map(|it| text(&it["name"])).collect();
    proved.sort_unstable();
    let mut claims: Vec<_> = claims.iter().map(String::as_str).collect();
    claims.sort_unstable();
    assert_eq!(claims, proved);

    let linked = read("xtask/no-std-proof/src/lib.rs");
    for name in proved {
        let line = format!("use {} as _;", name.replace('-', "_"));
        assert!(linked.contains(&line), "the proof does not say `{line}`");
    }
}

/// The packages of the workspace by their folders.
struct Members<'a>(BTreeMap<String, &'a Value>);

impl<'a> Members<'a> {
    fn of(metadata: &'a Value) -> Self {
        let ids: Vec<_> = array(&metadata["workspace_members"]).map(text).collect();
        let packages = array(&metadata["packages"]);
        let members = packages.filter(|package| ids.contains(&text(&package["id"])));
        Self(members.map(|package| (folder_of(package), package)).collect())
    }

    /// The folder of a dependency that is one of ours.
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
    let inside = inside.expect("members lie in the checkout");
    inside.trim_start_matches('/').trim_end_matches("/Cargo.toml").to_owned()
}

/// Which folder may import which, as the codemap says it.
struct Table(BTreeMap<String, BTreeSet<String>>);

impl Table {
    /// Reads the rows that look like `` | `commit/` | what it is | `syntax` `crypto` `mst` | ``.
    fn of(architecture: &str) -> Self {
        let mut table = BTreeMap::new();
        let mut above = BTreeSet::new();
        for row in architecture.lines() {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let ["", folder, _, imports, ""] = cells.as_slice() else { continue };
            let Some(folder) = folder.strip_prefix('`').and_then(|it| it.strip_suffix("/`")) else {
                continue;
            };
            let imports = match *imports {
                "all of the above" => above.clone(),
                imports => imports.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
            };
            above.insert(folder.to_owned());
            table.insert(folder.to_owned(), imports);
        }
        Self(table)
    }
}

fn outside_tests(dependency: &&Value) -> bool {
    array(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev")
}
