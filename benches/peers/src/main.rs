//! Measures Nacre's protocol crates and other people's, in one run.
//!
//! `peers table` starts one process for each library and row ([`worker`]), compares their results,
//! and lets them take turns ([`turns`]). `cargo xtask peers` builds and runs it.

#[cfg(feature = "peers")]
mod atrium;
#[cfg(feature = "peers")]
mod curves;
#[cfg(feature = "peers")]
mod dagcbor;
mod data;
#[cfg(feature = "peers")]
mod jacquard;
mod library;
mod limits;
mod measured;
mod memory;
mod nacre;
#[cfg(feature = "peers")]
mod repo_stream;
mod report;
mod rng;
mod row;
#[cfg(feature = "peers")]
mod rsky;
mod samples;
mod shrike;
mod turns;
mod worker;
mod world;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use row::Row;
use turns::{Plan, Size};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["worker", library, row, size] => {
            let row = Row::parse(row).expect("a row");
            worker::run(library, row, size.parse().expect("a size")).map(|()| true)
        }
        ["table", options @ ..] => table(options),
        _ => Err(io::Error::other("the commands are `table` and `worker`")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the table; returns whether all libraries that have to agree do.
fn table(options: &[&str]) -> io::Result<bool> {
    let mut plan = Plan::new()?;
    let mut save = None;
    let mut rows = Vec::new();
    let mut options = options.iter();
    while let Some(&option) = options.next() {
        let mut value =
            || options.next().copied().ok_or_else(|| io::Error::other("an option lacks its value"));
        match option {
            "--quick" => plan.seconds = 1.0,
            "--libraries" => plan.libraries = value()?.split(',').map(str::to_owned).collect(),
            "--ours" => plan.ours = PathBuf::from(value()?),
            "--save" => save = Some(PathBuf::from(value()?)),
            "--size" => {
                let sizes: Option<Vec<Size>> = value()?.split(',').map(Size::parse).collect();
                plan.sizes = sizes.ok_or_else(|| io::Error::other("a size is as in 10k or 1m"))?;
            }
            _ => rows.push(Row::parse(option).ok_or_else(|| {
                let names: Vec<&str> = Row::ALL.iter().map(|row| row.facts().name).collect();
                io::Error::other(format!("the rows are {}", names.join(", ")))
            })?),
        }
    }
    if !rows.is_empty() {
        plan.rows = rows;
    }
    let results = turns::run(&plan)?;
    let text = report::text(&plan, &results);
    println!("{text}");
    if let Some(file) = save {
        report::save(&file, &text)?;
    }
    Ok(results.iter().all(|result| result.agrees))
}
