//! The project's own commands, run as `cargo xtask <command>`.

extern crate alloc;

mod debian;
mod deny;
mod dev;
// The one reader of env files, which has nothing to do with the server.
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
        return Err(Error::new(format!("a command is missing\n\n{USAGE}")));
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
        _ => Err(Error::new(format!("there is no command `{command}`\n\n{USAGE}"))),
    }
}

/// Returns whether the one optional flag of a command was given.
fn flag(args: &[String], name: &str) -> Result<bool, Error> {
    match args {
        [] => Ok(false),
        [only] if only == name => Ok(true),
        _ => Err(Error::new(format!("of all options only {name} is known\n\n{USAGE}"))),
    }
}

const USAGE: &str = "\
usage: cargo xtask <command>

  test [--quick] [step]…  run every test; sets up what it needs and says what it does
                          --quick leaves out all that needs a wasm compiler, and the audit
                          with the names of steps: only those
  worker [--test-routes]  build the Worker into pds-worker/build
                          --test-routes adds the routes that tests use, into pds-worker/build-test
  dev [options]           run an account on workerd; see `cargo xtask dev --help`
  peers [options] [row]…  measure our crates beside other people's, into benches/RESULTS.md
                          --size 10k,100k,1m for repositories of so many records, else 100k
                          --quick takes fewer turns; with the names of rows: only those
                          `peers wasm` measures ours in Node and workerd instead
  lexicons [file]…        make the catalogue of known schemas anew, from their package
                          with schema documents: add these to it for good
  load [records]…         measure what operations cost on running servers of both hosts
  validators [--wrong]    count our wrong answers, and other people's, on the interoperability suite
                          --wrong lists them
  fuzz [seconds] [target]…
                          try hostile inputs, chosen by coverage, for a minute on each target
                          with the names of targets: only those

environment
  NACRE_CACHE             where tools are kept (else $XDG_CACHE_HOME/nacre or ~/.cache/nacre)
  RUSTUP_AUTO_INSTALL=0   never ask rustup for the wasm target";
