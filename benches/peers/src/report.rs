//! Writes the results down.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use crate::library::{LIBRARIES, Library, NACRE, SHRIKE};
use crate::memory::Taken;
use crate::row::{Goal, Row, Unit};
use crate::turns::{Outcome, Plan, RowResult, Size};

pub fn text(plan: &Plan, results: &[RowResult]) -> String {
    let mut out = format!("{HEADING}\n\n");
    let _ = writeln!(out, "{}\n", machine());
    let _ = writeln!(out, "{HOW}\n");
    for &size in &plan.sizes {
        let rows: Vec<&RowResult> = results.iter().filter(|result| result.size == size).collect();
        write_size(&mut out, size, &rows);
    }
    if plan.sizes.len() > 1 {
        write_scaling(&mut out, plan, results);
    }
    write_notes(&mut out, results);
    out
}

/// Replaces the section of this heading in a file, or adds it.
pub fn save(file: &Path, text: &str) -> io::Result<()> {
    let old = fs::read_to_string(file).unwrap_or_else(|_| String::from("# Results\n"));
    let (before, rest) = match old.find(HEADING) {
        Some(at) => old.split_at(at),
        None => (old.as_str(), ""),
    };
    let after = rest.find("\n## ").map_or("", |at| &rest[at + 1..]);
    let text = format!("{}\n\n{}\n\n{after}", before.trim_end(), text.trim_end());
    fs::write(file, text.trim_end().to_owned() + "\n")
}

fn write_size(out: &mut String, size: Size, rows: &[&RowResult]) {
    let is_other = |library: &&Library| {
        ![NACRE, SHRIKE].contains(&library.name)
            && rows.iter().any(|row| row.cells.iter().any(|cell| cell.library.name == library.name))
    };
    let others: Vec<&Library> = LIBRARIES.iter().filter(is_other).collect();
    let _ = writeln!(out, "### Time at {} records\n", size.name());
    let mut head = String::from("| row | limit | nacre | shrike | shrike ÷ nacre | goal |");
    for library in &others {
        let _ = write!(head, " {} |", library.name);
    }
    let _ = writeln!(out, "{head}\n|{}", "---|".repeat(6 + others.len()));
    for row in rows {
        let limit = row.limit.as_ref().map_or("–".into(), |limit| match limit.together {
            Some(together) => {
                format!("{} / {}", time(row.row, limit.nanos), time(row.row, together))
            }
            None => time(row.row, limit.nanos),
        });
        let _ = write!(out, "| {} | {limit} |", row.row.facts().name);
        let cell = |name: &str| cell(row, name, |nanos, _| time(row.row, nanos));
        let ratio = ratio(row).map_or("–".into(), |ratio| format!("**{ratio:.2}**"));
        let _ = write!(out, " {} | {} | {ratio} | {} |", cell(NACRE), cell(SHRIKE), goals(row));
        for library in &others {
            let _ = write!(out, " {} |", cell(library.name));
        }
        out.push('\n');
    }
    let _ = writeln!(out, "\n### Heap at {} records: peak, allocations\n", size.name());
    let _ = write!(out, "| row | nacre | shrike |");
    for library in &others {
        let _ = write!(out, " {} |", library.name);
    }
    let _ = writeln!(out, "\n|{}", "---|".repeat(3 + others.len()));
    for row in rows {
        let _ = write!(out, "| {} |", row.row.facts().name);
        for name in [NACRE, SHRIKE].into_iter().chain(others.iter().map(|library| library.name)) {
            let taken = |_, taken: Taken| format!("{}, {}", bytes(taken.peak), taken.allocations);
            let _ = write!(out, " {} |", cell(row, name, taken));
        }
        out.push('\n');
    }
    out.push('\n');
}

fn write_scaling(out: &mut String, plan: &Plan, results: &[RowResult]) {
    let _ = writeln!(out, "### From size to size: ours, and shrike in brackets\n");
    let _ = writeln!(out, "{SCALING}\n");
    let _ = write!(out, "| row |");
    for size in &plan.sizes {
        let _ = write!(out, " {} |", size.name());
    }
    let _ =
        writeln!(out, " limit | largest ÷ smallest |\n|{}", "---|".repeat(3 + plan.sizes.len()));
    for &row in plan.rows.iter().filter(|row| row.is_sized()) {
        let _ = write!(out, "| {} |", row.facts().name);
        let (mut ours, mut limits) = (Vec::new(), Vec::new());
        for result in results.iter().filter(|result| result.row == row) {
            let scale = result.units.unwrap_or(1.0);
            ours.extend(nanos(result, NACRE).map(|nanos| nanos / scale));
            limits.extend(result.limit.as_ref().map(|limit| limit.nanos / scale));
            let one = |name| {
                let nanos = nanos(result, name).map(|nanos| nanos / scale);
                nanos.map_or("–".into(), |nanos| match result.units {
                    Some(_) => format!("{nanos:.0}"),
                    None => time(row, nanos),
                })
            };
            let _ = write!(out, " {} ({}) |", one(NACRE), one(SHRIKE));
        }
        let (limit, ours) = (growth(&limits), growth(&ours));
        let met = if ours <= MAX_GROWTH.max(limit) { "met" } else { "**missed**" };
        let _ = match ours.is_finite() {
            true => writeln!(out, " {limit:.2} | {ours:.2}: {met} |"),
            false => writeln!(out, " – | not measured |"),
        };
    }
    out.push('\n');
}

fn growth(times: &[f64]) -> f64 {
    let largest = times.iter().copied().fold(0.0, f64::max);
    largest / times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn write_notes(out: &mut String, results: &[RowResult]) {
    out.push_str("### Notes\n\n");
    for result in results {
        for cell in &result.cells {
            let (name, row) = (cell.library.name, result.row.facts().name);
            let size = result.size.name();
            let _ = match cell.outcome {
                Outcome::Wrong(wrong, of) => writeln!(
                    out,
                    "- {name} is left out of `{row}` at {size}: {wrong} of {of} results are not \
                     those of the others."
                ),
                Outcome::Failed => writeln!(
                    out,
                    "- {name} is left out of `{row}` at {size}: it gives up with an error."
                ),
                Outcome::Measured { .. } => Ok(()),
            };
        }
    }
    for row in Row::ALL {
        if let Some(result) = results.iter().find(|result| result.row == row) {
            let limit = result.limit.as_ref();
            let limit = limit.map_or(String::new(), |limit| format!(" Limit: {}.", limit.of));
            let facts = row.facts();
            let _ = writeln!(out, "- `{}`: {}.{limit}", facts.name, facts.what);
        }
    }
    let takes_part = |library: &&Library| {
        let mut cells = results.iter().flat_map(|result| &result.cells);
        cells.any(|cell| cell.library.name == library.name)
    };
    for library in LIBRARIES.iter().filter(takes_part) {
        let _ = writeln!(out, "- {}: {}.", library.name, library.what);
    }
}

fn cell(row: &RowResult, name: &str, write: impl Fn(f64, Taken) -> String) -> String {
    match row.cells.iter().find(|cell| cell.library.name == name).map(|cell| &cell.outcome) {
        Some(&Outcome::Measured { nanos, taken }) => write(nanos, taken),
        Some(Outcome::Wrong(..)) => "wrong".into(),
        Some(Outcome::Failed) => "fails".into(),
        None => "–".into(),
    }
}

fn outcome(row: &RowResult, name: &str) -> Option<(f64, Taken)> {
    row.cells.iter().find_map(|cell| match cell.outcome {
        Outcome::Measured { nanos, taken } if cell.library.name == name => Some((nanos, taken)),
        _ => None,
    })
}

fn nanos(row: &RowResult, name: &str) -> Option<f64> {
    outcome(row, name).map(|(nanos, _)| nanos)
}

fn ratio(row: &RowResult) -> Option<f64> {
    Some(nanos(row, SHRIKE)? / nanos(row, NACRE)?)
}

/// Says what is to be reached and whether it is. The goals of rows that depend on
/// the size are set for 100,000 records.
fn goals(row: &RowResult) -> String {
    if row.row.is_sized() && row.size != Size(100_000) {
        return "–".into();
    }
    let mut said = Vec::new();
    for &goal in row.row.facts().goals {
        let ours = outcome(row, NACRE);
        let (what, met) = match goal {
            Goal::Ratio(least) => (format!("≥ {least}×"), ratio(row).map(|ours| ours >= least)),
            Goal::Nanos(most) => {
                let here = most * row.slowness;
                let met = ours.map(|(nanos, _)| nanos <= here);
                (format!("≤ {}, here {}", time(row.row, most), time(row.row, here)), met)
            }
            Goal::Peak(most) => {
                (format!("≤ {}", bytes(most)), ours.map(|(_, taken)| taken.peak <= most))
            }
            Goal::Allocations(most) => {
                (format!("≤ {most} allocations"), ours.map(|(_, taken)| taken.allocations <= most))
            }
        };
        let met = met.map_or("not measured", |met| if met { "met" } else { "**missed**" });
        said.push(format!("{what}: {met}"));
    }
    if said.is_empty() { "–".into() } else { said.join("; ") }
}

fn time(row: Row, nanos: f64) -> String {
    let (value, unit) = match row.facts().unit {
        Unit::Nanos => (nanos, "ns"),
        Unit::Micros => (nanos / 1e3, "µs"),
        Unit::Millis => (nanos / 1e6, "ms"),
    };
    match value {
        100.0.. => format!("{value:.0} {unit}"),
        10.0.. => format!("{value:.1} {unit}"),
        0.0..1.0 => format!("{value:.3} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        line.split_once(": ").map(|(_, value)| value.to_owned())
    };
    let model = field("model name").unwrap_or_else(|| "an unknown processor".into());
    let family = field("cpu family").zip(field("model\t"));
    let family = family
        .map_or(String::new(), |(family, model)| format!(" (family {family}, model {model})"));
    let flags = field("flags").unwrap_or_default();
    let sha = if flags.contains("sha_ni") { "with" } else { "without" };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map_or_else(
        |_| String::new(),
        |out| String::from_utf8_lossy(&out.stdout).trim().to_owned(),
    );
    let args: Vec<String> = std::env::args().skip(2).collect();
    let mut words = vec!["cargo xtask peers".to_owned()];
    let mut skip = false;
    for word in args {
        let internal = word == "--ours" || word == "--save";
        if !skip && !internal {
            words.push(word);
        }
        skip = internal;
    }
    format!(
        "{model}{family}, {cores} cores, {sha} SHA instructions; {rustc}; `{}`",
        words.join(" ")
    )
}

/// How much the time of a row may differ between sizes, unless its limit does so too.
const MAX_GROWTH: f64 = 1.6;

const SCALING: &str = "\
Nanoseconds a record where a row does something to every record, and in `diff` a node that differs;
else the time of an operation. The last columns tell how much the limit differs between the sizes,
and how much ours does: by 1.6 at most, or as the limit does.";

const HEADING: &str = "## Beside other people's crates";

const HOW: &str = "\
Each library runs in a process of its own, with its results compared with the others' before it is
timed. They take turns; a cell is the best turn, in processor time of one thread. The limit is what
the hashing, copying or reading that a row cannot do without takes on the same machine: with one
stream of SHA-256 and, where hashes do not wait for each other, with several. The heap is counted by
the allocator: the most that is held at one time above what was held before, and how often memory is
asked for. Only the ratios of one run mean anything, and differences under 15 % do not. A goal that
is a time was set on a machine that hashes a block of SHA-256 in 34.5 ns; `here` is what that comes
to on a slower one.";
