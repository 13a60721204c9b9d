//! `pds dev`: a server with an account of its own making.

use std::path::PathBuf;

use crate::Failure;
use crate::account::{Account, AccountError, random_password};
use crate::folder::Folder;
use crate::host::{Clients, SystemRng};
use crate::launch::{DEFAULT_PORT, Door, Launch};

/// What `pds dev` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Folder of the account and its data
    #[arg(long, default_value = ".nacre")]
    dir: PathBuf,
    /// Port to listen on; 0 finds a free one at the first start and keeps it [default: 2583]
    #[arg(long)]
    port: Option<u16>,
    /// Host name that the account's did:web is made of [default: localhost:PORT]
    #[arg(long)]
    hostname: Option<String>,
    /// Handle of the account [default: alice.test]
    #[arg(long)]
    handle: Option<String>,
    /// Password of the account, kept in the clear [default: a random one]
    #[arg(long)]
    password: Option<String>,
    /// Print one line of JSON for programs
    #[arg(long)]
    json: bool,
}

/// Starts the server and runs it until it is told to stop.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let folder = Folder::open(&args.dir)?;
    let (account, door) = match Account::kept(&folder)? {
        None => args.first_start(&folder)?,
        Some(account) => {
            let door = args.later_start(&folder, &account)?;
            (account, door)
        }
    };
    let config = account.config(&folder)?;
    let password = account.password().map(str::to_owned);
    let clients = Clients::Direct;
    Launch { folder, door, config, clients, password, json: args.json }.run()
}

impl Args {
    /// Makes the account, once the port that its DID may contain is taken.
    fn first_start(&self, folder: &Folder) -> Result<(Account, Door), Failure> {
        let named = self.hostname.as_deref().and_then(local_port);
        let port = match (named, self.port) {
            (Some(named), Some(port)) if named != port => {
                let problem = format!("says port {named}, but --port says {port}: leave one out");
                return Err(AccountError::Flag { flag: "hostname", problem }.into());
            }
            (named, port) => named.or(port).unwrap_or(DEFAULT_PORT),
        };
        let door = Door::open(None, port)?;
        let local = format!("localhost:{}", door.port());
        let hostname = self.hostname.as_deref().unwrap_or(&local);
        let handle = self.handle.as_deref().unwrap_or("alice.test");
        let random = random_password(&SystemRng);
        let password = self.password.as_deref().unwrap_or(&random);
        Ok((Account::create(folder, hostname, handle, password)?, door))
    }

    /// Sees to it that the flags mean the kept account, and listens on its port.
    fn later_start(&self, folder: &Folder, account: &Account) -> Result<Door, Failure> {
        let hostname = self.hostname.as_deref().map(str::to_ascii_lowercase);
        let handle = self.handle.as_deref().map(str::to_ascii_lowercase);
        account.agrees(folder, ("hostname", "PDS_HOSTNAME"), hostname.as_deref())?;
        account.agrees(folder, ("handle", "HANDLE"), handle.as_deref())?;
        account.agrees(folder, ("password", "PASSWORD"), self.password.as_deref())?;
        let port = match (local_port(account.hostname()), self.port) {
            (Some(kept), None | Some(0)) => kept,
            (Some(kept), Some(port)) if port != kept => {
                return Err(account.other(folder, "port", &kept.to_string()).into());
            }
            (_, port) => port.unwrap_or(DEFAULT_PORT),
        };
        Ok(Door::open(None, port)?)
    }
}

/// Returns the port of a host name that has one, which only this machine's own names have.
fn local_port(hostname: &str) -> Option<u16> {
    hostname.split_once(':').and_then(|(_, port)| port.parse().ok())
}
