//! `pds serve`: a server for an account that the environment describes.

use core::net::IpAddr;
use std::env;
use std::path::{Path, PathBuf};

use nacre_pds::config::{Config, ConfigError};

use crate::Failure;
use crate::folder::Folder;
use crate::host::Clients;
use crate::launch::{DEFAULT_PORT, Door, Launch};
use crate::vars::Vars;

/// What `pds serve` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Folder of the account's data
    #[arg(long, default_value = ".nacre")]
    dir: PathBuf,
    /// Port to listen on
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Address to listen on; by default only this machine can connect
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Env file with variables that the environment does not set
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Know clients by the address that a reverse proxy adds to X-Forwarded-For; without such a
    /// proxy anybody can forge it
    #[arg(long)]
    behind_proxy: bool,
    /// Print one line of JSON for programs
    #[arg(long)]
    json: bool,
}

/// Why there is no account to serve.
#[derive(Debug, thiserror::Error)]
enum EnvironmentError {
    #[error("{0}")]
    Malformed(ConfigError),
    #[error("{0}; set it in the environment or with --env-file (`pds vars` makes a new account's)")]
    Missing(ConfigError),
}

impl From<ConfigError> for EnvironmentError {
    fn from(error: ConfigError) -> Self {
        if error.is_missing() { Self::Missing(error) } else { Self::Malformed(error) }
    }
}

/// Reads the account that the environment describes, and the file for what it lacks.
pub(crate) fn environment(file: Option<&Path>) -> Result<Config, Failure> {
    let file = file.map(Vars::read).transpose()?.unwrap_or_default();
    let var = |name: &str| env::var(name).ok().or_else(|| file.var(name).map(str::to_owned));
    Ok(Config::from_vars(var).map_err(EnvironmentError::from)?)
}

/// Starts the server and runs it until it is told to stop.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let config = environment(args.env_file.as_deref())?;
    let folder = Folder::open(&args.dir)?;
    let door = Door::open(args.bind, args.port)?;
    let clients = if args.behind_proxy { Clients::Proxied } else { Clients::Direct };
    Launch { folder, door, config, clients, password: None, json: args.json }.run()
}
