//! What every file looks like.

use crate::{printed_by, read};

const MAX_COLUMNS: usize = 100;
const MAX_LINES: usize = 400;

/// Never in Rust, not even for a moment. Written in two parts so as not to find themselves.
const UNFINISHED: &[&str] = &[
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("#[ign", "ore"),
];

/// Never anywhere: folders of one machine, and the hosts of registries, which are cargo's and
/// npm's to know.
const ELSEWHERE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("crates", ".io"),
    concat!("npm", "js."),
    concat!("pypi", ".org"),
    concat!("deb.debian", ".org"),
];

/// Records of tools, and texts that are not ours.
const NOT_OURS: &[&str] = &["Cargo.lock", "package-lock.json", "LICENSE-APACHE", "LICENSE-MIT"];

#[test]
fn no_line_of_rust_is_longer_than_100_columns() {
    none(&rust_files(), |_, line| {
        // An address cannot be broken.
        let holds_address = line.trim_start().starts_with("//") && line.contains("://");
        line.chars().count() > MAX_COLUMNS && !holds_address
    });
}

#[test]
fn no_source_file_is_longer_than_400_lines_without_its_tests() {
    let long: Vec<_> = rust_files()
        .into_iter()
        .filter(|file| without_tests(&read(file)).count() > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "cut these where a reader would pause: {long:#?}");
}

#[test]
fn nothing_is_left_unfinished_or_unrun() {
    none(&rust_files(), |_, line| UNFINISHED.iter().any(|word| line.contains(word)));
}

#[test]
fn nothing_is_unwrapped_outside_of_tests() {
    let shipped: Vec<_> = rust_files().into_iter().filter(|file| file.contains("src/")).collect();
    let mut found = Vec::new();
    for file in shipped {
        let text = read(&file);
        let code = without_tests(&text).filter(|line| !line.trim_start().starts_with("//"));
        found.extend(
            code.filter(|line| line.contains(concat!(".unw", "rap()")))
                .map(|line| format!("{file}: {line}")),
        );
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_file_names_a_folder_of_one_machine_or_a_registry() {
    none(&files(), |file, line| {
        let ours = !NOT_OURS.iter().any(|name| file.ends_with(name));
        ours && ELSEWHERE.iter().any(|word| line.contains(word))
    });
}

/// The lines before the module of unit tests, which is the last of a file.
fn without_tests(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]")
}

/// Fails with a list of the lines that are `wrong`.
fn none(files: &[String], wrong: impl Fn(&str, &str) -> bool) {
    let mut found = Vec::new();
    for file in files {
        let text = read(file);
        let lines = text.lines().enumerate().filter(|(_, line)| wrong(file, line));
        found.extend(lines.map(|(index, line)| format!("{file}:{}: {line}", index + 1)));
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn rust_files() -> Vec<String> {
    let mut files = files();
    files.retain(|file| file.ends_with(".rs"));
    files
}

/// The files that git has or would take, those with text in them.
fn files() -> Vec<String> {
    const TEXT: &[&str] = &[
        ".capnp", ".css", ".html", ".js", ".json", ".md", ".mjs", ".rs", ".sh", ".toml", ".ts",
        ".txt", ".yml",
    ];
    let listed = printed_by(
        "git",
        &["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"],
    );
    let there = listed.lines().filter(|file| crate::root().join(file).is_file());
    let texts = there.filter(|file| TEXT.iter().any(|end| file.ends_with(end)));
    let files: Vec<_> = texts.map(str::to_owned).collect();
    let ours = [file!(), "pds/src/lib.rs", "README.md"];
    assert!(ours.iter().all(|file| files.iter().any(|found| found == file)), "{files:#?}");
    files
}
