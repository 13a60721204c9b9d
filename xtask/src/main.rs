//! The project's development commands, run as `cargo xtask <command>`.

extern crate alloc;

mod cargo;
mod debian;
mod deny;
mod dev;
// The same parser of env files as in `pds-cli`.
#[path = "../../pds-cli/src/env_file.rs"]
mod env_file;
mod error;
mod fuzz;
mod lexicons;
mod load;
mod no_std_proof;
mod node;
mod paths;
mod peers;
mod process;
mod python;
mod results;
mod test;
mod validators;
mod wasm_toolchain;
mod worker;

use std::env;
use std::process::ExitCode;

use error::Error;

fn main() -> ExitCode {
    match run(env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Vec<String>) -> Result<(), Error> {
    if args.is_empty() {
        return Err(Error::new(format!("no command given\n\n{USAGE}")));
    }
    let command = args.remove(0);
    match command.as_str() {
        "dev" => dev::run(args),
        "fuzz" => fuzz::run(args),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        "lexicons" => lexicons::run(&args),
        "load" => load::run(&args),
        "peers" => peers::run(&args),
        "test" => test::run(args),
        "validators" => validators::run(&args),
        "worker" => worker::run(flag(&args, "--test-routes")?),
        _ => Err(Error::new(format!("unknown command \"{command}\"; see `cargo xtask help`"))),
    }
}

/// Returns whether the one optional flag of a command was given.
fn flag(args: &[String], name: &str) -> Result<bool, Error> {
    if let Some(unknown) = args.iter().find(|arg| *arg != name) {
        return Err(Error::new(format!("unknown option \"{unknown}\"; see `cargo xtask help`")));
    }
    Ok(!args.is_empty())
}

const USAGE: &str = "\
usage: cargo xtask <command>

commands
  test [--quick] [step]…  run all checks and tests, or only the named steps
                          --quick skips slow steps and tests only the native host
  worker [--test-routes]  build the Worker into pds-worker/build
                          --test-routes adds the test routes and builds into pds-worker/build-test
  dev [options]           run an account on workerd; see `cargo xtask dev --help`
  peers [options] [row]…  benchmark the protocol crates and other libraries, and save the tables in
                          benches/RESULTS.md
                          --size 10k,100k,1m sets the repository sizes (default: 100k)
                          --quick takes fewer samples; row names select rows
  peers wasm              benchmark the protocol crates in Node and workerd
  load [records]…         benchmark running servers on both hosts, with this many records
                          (default: 10000 100000 1000000)
  validators [--wrong]    count wrong answers of lexicon validators on the interop suite
                          --wrong lists them
  lexicons [file]…        rebuild the catalogue of known schemas from its source package
                          files are lexicon documents to add to lexicon/documents
  fuzz [seconds] [target]…
                          run all fuzz targets, or only the named ones (default: 60 seconds each)
  help                    print this help

environment
  NACRE_CACHE             folder for downloaded tools
                          (default: $XDG_CACHE_HOME/nacre or ~/.cache/nacre)
  RUSTUP_AUTO_INSTALL=0   do not let rustup install the wasm target";
