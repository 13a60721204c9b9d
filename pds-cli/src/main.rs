//! The `pds` program: the native server and the operator's commands.

extern crate alloc;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod account;
mod database_copy;
mod dev;
mod env_file;
mod folder;
mod host;
mod launch;
mod logging;
mod repo;
mod report;
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
    /// Start a server with a development account
    ///
    /// The first start creates the account. Later starts serve the same account.
    Dev(dev::Args),
    /// Check or repair the repository of a stopped server
    #[command(subcommand)]
    Repo(repo::Command),
    /// Start over with another DID if the account was never active
    ///
    /// Removes the repository, the sessions and the account's blobs from the folder of a stopped
    /// server, and creates an empty account with the configured DID. Keeps blobs that are not in
    /// the database. Refuses to reset an account that was ever active, because other servers know
    /// it.
    Reset(reset::Args),
    /// Start a server for the account that the environment describes
    ///
    /// Required variables, as printed by `pds vars`: PDS_HOSTNAME, DID, HANDLE, SIGNING_KEY,
    /// JWT_SECRET, AUTH_TOKEN and PASSWORD_HASH.
    ///
    /// Optional variables: SIGNING_KEY_PUBLIC (default: derived from SIGNING_KEY), EMAIL (shown to
    /// apps and accepted at sign-in), INITIAL_ACTIVE, ACCEPT_IMPORTS, BLOB_UPLOAD_LIMIT,
    /// BODY_LIMIT_MB (if a proxy limits requests), RELAYS, EVENT_RETENTION_HOURS,
    /// EVENT_RETENTION_MIB and LOG_LEVEL (error, warn, info or debug).
    Serve(serve::Args),
    /// Print the variables of a new account as an env file, for `pds serve` or a Worker
    Vars(account::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Dev(args) => dev::run(&args),
        Command::Repo(command) => repo::run(&command),
        Command::Reset(args) => reset::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Vars(args) => account::print(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::log(&error);
            ExitCode::FAILURE
        }
    }
}
