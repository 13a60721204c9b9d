//! `pds repo`: commands on the repository of a folder that is not being served.

use alloc::rc::Rc;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nacre_pds::config::Config;
use nacre_pds::sqlite::Sqlite;
use nacre_pds::{Audit, Healed, OpenError, Pds};
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
    Verify(Args),
    /// Make anew what follows from the commit and the records, where it is not as it should be
    ///
    /// That is the tree's pages, counters, indices, and which blobs there are. Bytes that nothing
    /// knows of are removed; a blob whose bytes are lost is listed as missing, for an app to send
    /// again. Records that are lost are in a backup, if anywhere.
    Heal(Args),
}

/// What these commands are told.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Folder of the account's data
    #[arg(long, default_value = ".nacre")]
    dir: PathBuf,
    /// Env file with variables that the environment does not set
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

/// Runs a command.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Verify(args) => on_folder(args, async |pds, json| {
            let audit = pds.audit_all().await?;
            let said = if json { line(&audit)? } else { audit_text(&audit) };
            Ok((said, audit))
        }),
        Command::Heal(args) => on_folder(args, async |pds, json| {
            let healed = pds.heal().await?;
            let said = if json { line(&healed)? } else { healed_text(&healed) };
            Ok((said, healed.audit))
        }),
    }
}

/// Has something done with the account in a folder, and prints what it says.
fn on_folder(
    args: &Args,
    what: impl AsyncFnOnce(&Pds, bool) -> Result<(String, Audit), Failure>,
) -> Result<(), Failure> {
    let (folder, config) = account(&args.dir, args.env_file.as_deref())?;
    let path = folder.file(DATABASE);
    let blobs = BlobFolder::new(folder.blobs());
    let pds = Sqlite::open(&path)
        .map_err(OpenError::from)
        .and_then(|sql| host::open_unserved(config, Rc::new(sql), blobs))
        .map_err(|error| DatabaseError { path: path.clone(), error })?;
    let runtime = runtime::Builder::new_current_thread().build()?;
    let (said, audit) = runtime.block_on(what(&pds, args.json))?;
    io::stdout().write_all(said.as_bytes())?;
    if audit.faults.is_empty() { Ok(()) } else { Err(RepoError::Faults(path).into()) }
}

/// Opens a folder that has a database, and reads the account that it is for.
pub(crate) fn account(dir: &Path, env_file: Option<&Path>) -> Result<(Folder, Config), Failure> {
    if !dir.join(DATABASE).is_file() {
        return Err(RepoError::NoAccount(dir.to_owned()).into());
    }
    let folder = Folder::open(dir)?;
    let config = match Account::kept(&folder)? {
        Some(account) => account.config(&folder)?,
        None => environment(env_file)?,
    };
    Ok((folder, config))
}

fn line(report: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string(report)? + "\n")
}

fn audit_text(audit: &Audit) -> String {
    let Audit { records, pages, blobs, faults, warnings, .. } = audit;
    let mut text: String = faults.iter().map(|fault| format!("fault     {fault}\n")).collect();
    text.extend(warnings.iter().map(|warning| format!("warning   {warning}\n")));
    text.push_str(&format!("records   {records}\npages     {pages}\nblobs     {blobs}\n"));
    text
}

fn healed_text(healed: &Healed) -> String {
    let found = healed.found.iter().map(|fault| format!("found     {fault}\n"));
    found.chain([audit_text(&healed.audit)]).collect()
}
