//! The `pds` program: a Personal Data Server on this machine, and its operator's commands.

extern crate alloc;

use core::error::Error;
use core::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod account;
mod copy;
mod dev;
mod env_file;
mod folder;
mod host;
mod launch;
mod repo;
mod reset;
mod serve;
mod vars;

/// A Personal Data Server for the AT Protocol, for one account.
#[derive(Debug, Parser)]
#[command(name = "pds", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server with an account of its own, for development
    ///
    /// The first start makes an identity and keeps it with all data in the folder; later starts
    /// take up where the last one stopped.
    Dev(dev::Args),
    /// Commands on the repository of a folder that is not being served
    #[command(subcommand)]
    Repo(repo::Command),
    /// Start over with another DID in a folder whose account was never active
    ///
    /// Removes the repository, the sessions and the account's blobs from the folder of a stopped
    /// server, and makes an empty account with the DID that the environment describes. Blobs that
    /// the account does not know stay. An account that was ever active is left alone, because other
    /// servers know of it.
    Reset(reset::Args),
    /// Start a server for the account that the environment describes
    ///
    /// Reads PDS_HOSTNAME, DID, HANDLE, SIGNING_KEY, JWT_SECRET, AUTH_TOKEN and PASSWORD_HASH, as
    /// `pds vars` prints them. Optional are SIGNING_KEY_PUBLIC (derived from SIGNING_KEY if
    /// absent), EMAIL (shown to apps and accepted at sign-in), INITIAL_ACTIVE, ACCEPT_IMPORTS,
    /// BLOB_UPLOAD_LIMIT, BODY_LIMIT_MB (where a proxy limits requests), RELAYS,
    /// EVENT_RETENTION_HOURS and EVENT_RETENTION_MIB.
    Serve(serve::Args),
    /// Print the variables of a new account, for `pds serve` or another host
    Vars(account::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Dev(args) => dev::run(&args),
        Command::Repo(command) => repo::run(&command),
        Command::Reset(args) => reset::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Vars(args) => account::print(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&error);
            ExitCode::FAILURE
        }
    }
}

/// What a command that failed says: one line, with what to do about it.
type Failure = Box<dyn Error>;

/// Writes one line to standard error; one that is closed is no reason to stop serving.
fn log(line: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "pds: {line}");
}
