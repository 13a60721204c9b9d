//! Tests the reader of imports on small crates with planted imports.

use super::cycles::Graph;
use super::imports::{Import, imports};
use super::layers::violations;
use super::tree::{Sources, Tree};
use crate::table::Table;

fn sources(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// Returns the imports between files, as `a.rs -> b.rs (Name)`.
fn imported(files: &[(&str, &str)]) -> Vec<String> {
    let used = |import: &Import| !import.re_export;
    let found = imports(&Tree::read(&sources(files))).into_iter().filter(used);
    found.map(|it| format!("{} -> {} ({})", it.from, it.to, it.name)).collect()
}

fn cycles(files: &[(&str, &str)]) -> Vec<String> {
    let imports = imports(&Tree::read(&sources(files)));
    Graph::of(&imports).into_cycles().iter().map(ToString::to_string).collect()
}

/// Returns the violations of a table in which `host` is below `store`, and `store` below `api`.
fn misplaced(files: &[(&str, &str)]) -> Vec<String> {
    const TABLE: &str = "\
## Modules
| `host.rs` | the seam | – |
| `store/` | SQL | `host` |
| `api/` | handlers | all of the above |
";
    violations(&Table::read(TABLE, "## Modules"), &Tree::read(&sources(files)))
}

const ROOT: (&str, &str) = ("lib.rs", "mod api; mod host; mod store;");

#[test]
fn downward_imports_are_allowed() {
    let files = [
        ROOT,
        ("api.rs", "use crate::host::Clock; pub(crate) fn get(it: crate::store::Row, c: Clock) {}"),
        ("host.rs", "pub(crate) struct Clock;"),
        ("store.rs", "use crate::host::Clock; pub(crate) struct Row;"),
    ];
    assert!(misplaced(&files).is_empty());
    assert!(cycles(&files).is_empty());
}

#[test]
fn an_upward_import_is_found() {
    let files = [
        ROOT,
        ("api.rs", "pub(crate) struct Failure;"),
        ("host.rs", ""),
        ("store.rs", "mod rows;"),
        ("store/rows.rs", "use crate::api::{Failure as Fault};"),
    ];
    assert_eq!(misplaced(&files), ["`store` imports `api`: store/rows.rs (Failure)"]);
}

#[test]
fn an_upward_path_in_an_expression_is_found() {
    let files = [
        ROOT,
        ("api.rs", "pub(crate) fn invalid(name: &str) {}"),
        ("host.rs", ""),
        ("store.rs", "fn read() { crate::api::invalid(\"cursor\") }"),
    ];
    assert_eq!(misplaced(&files), ["`store` imports `api`: store.rs (invalid)"]);
}

#[test]
fn an_upward_re_export_between_modules_is_found() {
    let files = [
        ROOT,
        ("api.rs", "pub(crate) struct Failure;"),
        ("host.rs", ""),
        ("store.rs", "pub(crate) use crate::api::Failure;"),
    ];
    assert_eq!(misplaced(&files), ["`store` imports `api`: store.rs (Failure)"]);
}

#[test]
fn an_import_through_a_re_export_counts_for_both_modules() {
    let files = [
        ROOT,
        ("api.rs", "pub(crate) use crate::host::Clock;"),
        ("host.rs", "pub(crate) struct Clock;"),
        ("store.rs", "use crate::api::Clock;"),
    ];
    assert_eq!(misplaced(&files), ["`store` imports `api`: store.rs (Clock)"]);
    assert_eq!(imported(&files), ["store.rs -> host.rs (Clock)"]);
}

#[test]
fn modules_without_a_row_and_rows_without_a_module_are_found() {
    let files = [("lib.rs", "mod api; mod host; mod routes;"), ("api.rs", ""), ("host.rs", "")];
    let files = [files.as_slice(), &[("routes.rs", "")]].concat();
    let expected = ["`routes` has no row", "`store` has a row but does not exist"];
    assert_eq!(misplaced(&files), expected);
}

#[test]
fn a_cycle_of_two_files_is_found() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::{Right, wrong}; pub(crate) struct Left;"),
        ("b.rs", "use super::a::Left; pub(crate) struct Right; pub(crate) fn wrong() {}"),
    ];
    assert_eq!(cycles(&files), ["a.rs -> b.rs (Right, wrong) -> a.rs (Left)"]);
}

#[test]
fn a_cycle_of_three_files_is_found_once() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub(crate) struct A;"),
        ("b.rs", "use crate::c::C; pub(crate) struct B;"),
        ("c.rs", "use crate::a::A; pub(crate) struct C;"),
    ];
    assert_eq!(cycles(&files), ["a.rs -> b.rs (B) -> c.rs (C) -> a.rs (A)"]);
}

#[test]
fn the_shortest_cycles_are_found_without_those_that_share_their_steps() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub(crate) struct A;"),
        ("b.rs", "use crate::{a::A, c::C}; pub(crate) struct B;"),
        ("c.rs", "use crate::{a::A, b::B}; pub(crate) struct C;"),
    ];
    assert_eq!(cycles(&files), ["a.rs -> b.rs (B) -> a.rs (A)", "b.rs -> c.rs (C) -> b.rs (B)"]);
}

#[test]
fn a_cycle_through_a_re_export_is_found() {
    let files = [
        ("lib.rs", "mod a; mod face;"),
        ("a.rs", "use crate::face::Inner; pub(crate) struct A;"),
        ("face.rs", "mod inner; pub(crate) use self::inner::Inner;"),
        ("face/inner.rs", "use crate::a::A; pub(crate) struct Inner;"),
    ];
    assert_eq!(cycles(&files), ["a.rs -> face/inner.rs (Inner) -> a.rs (A)"]);
}

#[test]
fn a_cycle_of_a_module_and_its_child_is_found() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod child; use child::Part; pub(crate) struct Whole(Part);"),
        ("a/child.rs", "pub(crate) struct Part; fn part(whole: super::Whole) {}"),
    ];
    assert_eq!(cycles(&files), ["a.rs -> a/child.rs (Part) -> a.rs (Whole)"]);
}

#[test]
fn a_module_that_only_re_exports_imports_nothing() {
    let files = [
        ("lib.rs", "mod face; pub use face::{One, Two};"),
        ("face.rs", "mod one; mod two; pub use one::One; pub use two::*;"),
        ("face/one.rs", "use super::Two; pub struct One;"),
        ("face/two.rs", "pub struct Two;"),
    ];
    assert_eq!(imported(&files), ["face/one.rs -> face/two.rs (Two)"]);
}

#[test]
fn a_re_export_that_its_own_file_uses_is_an_import() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub use crate::b::B; pub struct A(B);"),
        ("b.rs", "pub struct B;"),
    ];
    assert_eq!(imported(&files), ["a.rs -> b.rs (B)"]);
}

#[test]
fn super_may_be_repeated() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub(crate) mod inner;"),
        ("a/inner.rs", "use super::super::b::B; fn f() { super::super::b::g() }"),
        ("b.rs", "pub(crate) struct B; pub(crate) fn g() {}"),
    ];
    assert_eq!(imported(&files), ["a/inner.rs -> b.rs (B)", "a/inner.rs -> b.rs (g)"]);
}

#[test]
fn imports_in_a_function_are_found_and_end_with_its_block() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "fn f() { use crate::b::{self as other}; other::g() } fn h() { other::i() }"),
        ("b.rs", "pub(crate) fn g() {} pub(crate) fn i() {}"),
    ];
    assert_eq!(imported(&files), ["a.rs -> b.rs (b)", "a.rs -> b.rs (g)"]);
}

#[test]
fn names_of_an_imported_module_are_found_where_they_are_used() {
    let files = [
        ("lib.rs", "mod api; mod b;"),
        ("api.rs", "mod refusal; pub(crate) use refusal::invalid;"),
        ("api/refusal.rs", "pub(crate) fn invalid() {}"),
        ("b.rs", "use crate::api; fn f() { api::invalid() }"),
    ];
    assert_eq!(imported(&files), ["b.rs -> api.rs (api)", "b.rs -> api/refusal.rs (invalid)"]);
}

#[test]
fn a_glob_import_is_found_with_the_names_that_are_used() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::*; fn f(c: C) {}"),
        ("b.rs", "mod c; mod d; pub(crate) use c::C; pub(crate) use d::D;"),
        ("b/c.rs", "pub(crate) struct C;"),
        ("b/d.rs", "pub(crate) struct D;"),
    ];
    assert_eq!(imported(&files), ["a.rs -> b.rs (b)", "a.rs -> b/c.rs (C)"]);
}

#[test]
fn names_in_macros_and_attributes_are_found() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "use crate::b; \
             macro_rules! table { ($($row:ident)::+) => { b::$($row)::+() } } \
             table!(rows::get); \
             fn f() { println!(\"{}\", vec![crate::b::LIMIT][0].get()); } \
             #[derive(Serialize)] struct A { #[serde(with = \"crate::b::hex\")] bytes: u8 }",
        ),
        ("b.rs", "pub(crate) mod rows; pub(crate) const LIMIT: u8 = 1; pub(crate) fn hex() {}"),
        ("b/rows.rs", "pub(crate) fn get() {}"),
    ];
    let expected = ["b.rs (LIMIT)", "b.rs (b)", "b.rs (hex)", "b/rows.rs (get)"]
        .map(|to| format!("a.rs -> {to}"));
    assert_eq!(imported(&files), expected);
}

#[test]
fn macros_are_imported_by_their_calls() {
    let files = [
        ("lib.rs", "#[macro_use] mod text; mod a; mod b;"),
        ("text.rs", "macro_rules! text_type { () => {} }"),
        ("a.rs", "text_type!(); fn f() { crate::shout!() }"),
        ("b.rs", "#[macro_export] macro_rules! shout { () => {} }"),
    ];
    assert_eq!(imported(&files), ["a.rs -> b.rs (shout)", "a.rs -> text.rs (text_type)"]);
}

#[test]
fn names_that_a_macro_defines_belong_to_the_file_of_its_call() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::Made;"),
        ("b.rs", "macro_rules! make { ($name:ident) => { struct $name; } } make!(Made);"),
    ];
    assert_eq!(imported(&files), ["a.rs -> b.rs (Made)"]);
}

#[test]
fn a_module_and_a_function_may_share_a_name() {
    let files = [
        ("lib.rs", "mod a; mod sniff; use self::sniff::sniff;"),
        ("a.rs", "use crate::sniff; fn f() { sniff() }"),
        ("sniff.rs", "mod sniff; pub(crate) use sniff::sniff;"),
        ("sniff/sniff.rs", "pub(crate) fn sniff() {}"),
    ];
    let expected = [
        "a.rs -> sniff.rs (sniff)",
        "a.rs -> sniff/sniff.rs (sniff)",
        "lib.rs -> sniff/sniff.rs (sniff)",
    ];
    assert_eq!(imported(&files), expected);
}

#[test]
fn a_module_with_a_path_is_a_file_of_another_crate() {
    let files = [
        ("main.rs", "mod a; #[path = \"../../b/src/c.rs\"] mod c;"),
        ("a.rs", "use crate::c; fn f() { c::parse() }"),
    ];
    let expected = ["a.rs -> ../../b/src/c.rs (c)", "a.rs -> ../../b/src/c.rs (parse)"];
    assert_eq!(imported(&files), expected);
}

#[test]
fn a_variant_belongs_to_the_file_of_its_enum() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::Kind::{self, Query};"),
        ("b.rs", "pub use crate::c::Kind;"),
        ("c.rs", "pub enum Kind { Query }"),
    ];
    assert_eq!(imported(&files), ["a.rs -> c.rs (Kind)"]);
}

#[test]
fn a_block_of_a_module_belongs_to_its_file() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod inner { use super::super::b::B; pub(super) struct C; } use inner::C;"),
        ("b.rs", "pub(crate) struct B;"),
    ];
    assert_eq!(imported(&files), ["a.rs -> b.rs (B)"]);
}

#[test]
fn code_for_tests_only_is_ignored() {
    let files = [
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod tests;"),
        (
            "a.rs",
            "#[cfg(test)] use crate::b::B; \
             #[cfg(all(test, unix))] fn f() { crate::b::g() } \
             fn h() { #[cfg(test)] crate::b::g(); } \
             #[cfg(test)] mod tests { use crate::b::B; }",
        ),
        ("b.rs", "pub(crate) struct B; pub(crate) fn g() {}"),
    ];
    assert!(imported(&files).is_empty());
}

#[test]
fn code_that_is_also_compiled_outside_tests_is_read() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "#[cfg(any(test, feature = \"dev\"))] use crate::b::B; \
             #[cfg(not(test))] fn f() { crate::b::g() }",
        ),
        ("b.rs", "pub(crate) struct B; pub(crate) fn g() {}"),
    ];
    assert_eq!(imported(&files), ["a.rs -> b.rs (B)", "a.rs -> b.rs (g)"]);
}

#[test]
fn names_of_other_crates_are_not_imports() {
    let files = [
        ("lib.rs", "mod bytes; mod a;"),
        ("bytes.rs", "pub(crate) struct Bytes;"),
        (
            "a.rs",
            "use bytes::Bytes; use ::bytes::Buf; fn f(b: std::vec::Vec<Bytes>) { b.bytes(); }",
        ),
    ];
    assert!(imported(&files).is_empty());
}
