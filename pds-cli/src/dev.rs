//! `pds dev`: serves a development account, which the first start creates.

use std::path::PathBuf;

use crate::account::{Account, AccountError, random_password};
use crate::folder::Folder;
use crate::host::{AddressSource, SystemRng};
use crate::launch::{DEFAULT_PORT, Launch, Listeners};
use crate::logging::LogFormat;
use crate::report::Failure;

/// The arguments of `pds dev`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Folder of the account and its data
    #[arg(long, default_value = ".nacre")]
    dir: PathBuf,
    /// Port to listen on; 0 picks a free port at the first start and keeps it [default: 2583]
    #[arg(long)]
    port: Option<u16>,
    /// Host name of the account's did:web [default: localhost:PORT]
    #[arg(long)]
    hostname: Option<String>,
    /// Handle of the account [default: alice.test]
    #[arg(long)]
    handle: Option<String>,
    /// Password of the account, stored in plain text [default: random]
    #[arg(long)]
    password: Option<String>,
    /// Print one line of JSON instead of text
    #[arg(long)]
    json: bool,
    /// Form of the log on standard error
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    log_format: LogFormat,
}

/// Serves the account until the process receives a stop signal.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let folder = Folder::open(&args.dir)?;
    let (account, listeners) = match Account::load(&folder)? {
        None => args.first_start(&folder)?,
        Some(account) => {
            let listeners = args.later_start(&folder, &account)?;
            (account, listeners)
        }
    };
    let config = account.config(&folder)?;
    let password = account.password().map(str::to_owned);
    let address_source = AddressSource::Connection;
    Launch {
        folder,
        listeners,
        config,
        address_source,
        password,
        json: args.json,
        log_format: args.log_format,
    }
    .run()
}

impl Args {
    /// Listens on a port and creates the account, whose DID may contain the port.
    fn first_start(&self, folder: &Folder) -> Result<(Account, Listeners), Failure> {
        let named = self.hostname.as_deref().and_then(local_port);
        let port = match (named, self.port) {
            (Some(named), Some(port)) if named != port => {
                let problem = format!("has port {named}, but --port is {port}; omit one of them");
                return Err(AccountError::Flag { flag: "hostname", problem }.into());
            }
            (named, port) => named.or(port).unwrap_or(DEFAULT_PORT),
        };
        let listeners = Listeners::open(None, port)?;
        let local = format!("localhost:{}", listeners.port());
        let hostname = self.hostname.as_deref().unwrap_or(&local);
        let handle = self.handle.as_deref().unwrap_or("alice.test");
        let random = random_password(&SystemRng);
        let password = self.password.as_deref().unwrap_or(&random);
        Ok((Account::create(folder, hostname, handle, password)?, listeners))
    }

    /// Checks that the flags agree with the stored account and listens on its port.
    fn later_start(&self, folder: &Folder, account: &Account) -> Result<Listeners, Failure> {
        let hostname = self.hostname.as_deref().map(str::to_ascii_lowercase);
        let handle = self.handle.as_deref().map(str::to_ascii_lowercase);
        account.check_flag(folder, ("hostname", "PDS_HOSTNAME"), hostname.as_deref())?;
        account.check_flag(folder, ("handle", "HANDLE"), handle.as_deref())?;
        account.check_flag(folder, ("password", "PASSWORD"), self.password.as_deref())?;
        let port = match (local_port(account.hostname()), self.port) {
            (Some(stored), None | Some(0)) => stored,
            (Some(stored), Some(port)) if port != stored => {
                return Err(account.mismatch(folder, "port", &stored.to_string()).into());
            }
            (_, port) => port.unwrap_or(DEFAULT_PORT),
        };
        Ok(Listeners::open(None, port)?)
    }
}

/// Returns the port in a host name. Only a local host name has one.
fn local_port(hostname: &str) -> Option<u16> {
    hostname.split_once(':').and_then(|(_, port)| port.parse().ok())
}
