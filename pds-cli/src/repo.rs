//! `pds repo`: commands on the repository of a folder that is not being served.

use alloc::rc::Rc;
use std::io::{self, Write as _};
use std::path::PathBuf;

use nacre_pds::sqlite::Sqlite;
use nacre_pds::{Audit, OpenError};
use serde::Serialize;
use tokio::runtime;

use crate::Failure;
use crate::account::Account;
use crate::folder::Folder;
use crate::host::{self, BlobFolder};
use crate::launch::{DATABASE, DatabaseError};
use crate::serve::environment;

/// What can be done.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Check that the database holds together: commit, tree, records, pages and blobs
    ///
    /// Nothing is changed. The account is that of `pds dev` in this folder, or else the one that
    /// the environment describes, as for `pds serve`.
    Verify(Verify),
}

/// What `pds repo verify` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct Verify {
    /// Folder of the account's data
    #[arg(long, default_value = ".nacre")]
    dir: PathBuf,
    /// File of NAME=value lines for variables that the environment does not set
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Print one line of JSON for programs
    #[arg(long)]
    json: bool,
}

/// Why a folder was not found to be in order.
#[derive(Debug, thiserror::Error)]
enum RepoError {
    #[error("{}: there is no account in this folder; name another one with --dir", .0.display())]
    NoAccount(PathBuf),
    #[error("{}: the database is not as it should be", .0.display())]
    Faults(PathBuf),
}

/// What a program is told.
#[derive(Serialize)]
struct Report<'a> {
    records: u64,
    pages: u64,
    blobs: u64,
    faults: &'a [String],
}

/// Runs a command.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Verify(args) => verify(args),
    }
}

fn verify(args: &Verify) -> Result<(), Failure> {
    let path = args.dir.join(DATABASE);
    if !path.is_file() {
        return Err(RepoError::NoAccount(args.dir.clone()).into());
    }
    let folder = Folder::open(&args.dir)?;
    let config = match Account::kept(&folder)? {
        Some(account) => account.config(&folder)?,
        None => environment(args.env_file.as_deref())?,
    };
    let blobs = BlobFolder::new(folder.blobs());
    let pds = Sqlite::open(&path)
        .map_err(OpenError::from)
        .and_then(|sql| host::open_unserved(config, Rc::new(sql), blobs))
        .map_err(|error| DatabaseError { path: path.clone(), error })?;
    let mut audit = pds.audit()?;
    let runtime = runtime::Builder::new_current_thread().build()?;
    runtime.block_on(pds.audit_blobs(&mut audit))?;
    io::stdout().write_all(audit_text(&audit, args.json)?.as_bytes())?;
    if audit.faults.is_empty() { Ok(()) } else { Err(RepoError::Faults(path).into()) }
}

fn audit_text(audit: &Audit, json: bool) -> Result<String, Failure> {
    let Audit { records, pages, blobs, faults, .. } = audit;
    if json {
        let report = Report { records: *records, pages: *pages, blobs: *blobs, faults };
        return Ok(serde_json::to_string(&report)? + "\n");
    }
    let mut text: String = faults.iter().map(|fault| format!("fault     {fault}\n")).collect();
    text.push_str(&format!("records   {records}\npages     {pages}\nblobs     {blobs}\n"));
    Ok(text)
}
