//! What `pds dev` and `pds serve` share: opening the account, and saying where it is served.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process;

use nacre_pds::OpenError;
use nacre_pds::config::Config;
use nacre_pds::sqlite::Sqlite;
use serde::Serialize;
use tokio::runtime;
use tokio::task::LocalSet;

use crate::Failure;
use crate::folder::Folder;
use crate::host::{self, BlobFolder, Clients};

/// The file of the account's database, in its folder.
pub(crate) const DATABASE: &str = "pds.sqlite";

/// The port of a server that is told none.
pub(crate) const DEFAULT_PORT: u16 = 2583;

/// A server that is about to start.
pub(crate) struct Launch {
    /// Where the account's data is.
    pub(crate) folder: Folder,
    /// Where the server listens.
    pub(crate) door: Door,
    /// The account.
    pub(crate) config: Config,
    /// How the server knows its clients apart.
    pub(crate) clients: Clients,
    /// The account's password, where it is kept.
    pub(crate) password: Option<String>,
    /// Whether a program reads what is printed.
    pub(crate) json: bool,
}

/// Sockets that wait for connections, all on one port.
pub(crate) struct Door {
    listeners: Vec<TcpListener>,
    address: IpAddr,
    port: u16,
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    #[error("port {0} is in use by another program; choose another with --port, or stop that one")]
    Busy(u16),
    #[error("cannot listen on port {port} of {address}: {error}")]
    Other { address: IpAddr, port: u16, error: io::Error },
}

/// Why the account's database cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}{}", path.display(), remedy(error))]
pub(crate) struct DatabaseError {
    pub(crate) path: PathBuf,
    pub(crate) error: OpenError,
}

/// Says what to do about a database that cannot be served.
fn remedy(error: &OpenError) -> String {
    match error {
        OpenError::OtherAccount { found, was_active: true, .. } => {
            format!("; set DID to \"{found}\" again, or choose another folder with --dir")
        }
        OpenError::OtherAccount { .. } => {
            "; it was never active: \"pds reset\" starts over with the new DID".to_owned()
        }
        _ => String::new(),
    }
}

/// What is printed once the server listens.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Card<'a> {
    url: &'a str,
    did: String,
    handle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    public_key: String,
    pid: u32,
}

impl Launch {
    /// Serves until the process is told to stop.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        let url = self.door.url();
        self.folder.announce(&url)?;
        let card = self.card(&url)?;
        let path = self.folder.private_file(DATABASE)?;
        let blobs = BlobFolder::new(self.folder.blobs());
        blobs.tidy()?;
        let server = Sqlite::open_logged(&path)
            .map_err(OpenError::from)
            .and_then(|database| host::open(self.config, database, blobs, self.clients))
            .map_err(|error| DatabaseError { path, error })?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let served = host::serve(server, self.door.listeners, || {
            // Whoever started the server may have stopped listening to it.
            let _ = io::stdout().write_all(card.as_bytes());
            let _ = io::stdout().flush();
        });
        Ok(LocalSet::new().block_on(&runtime, served)?)
    }

    fn card(&self, url: &str) -> Result<String, Failure> {
        let identity = &self.config.identity;
        let card = Card {
            url,
            did: identity.did.to_string(),
            handle: identity.handle.to_string(),
            password: self.password.as_deref(),
            public_key: identity.signing_key.to_did_key(),
            pid: process::id(),
        };
        if self.json { Ok(serde_json::to_string(&card)? + "\n") } else { self.text(&card) }
    }

    fn text(&self, card: &Card<'_>) -> Result<String, Failure> {
        let Card { url, did, handle, .. } = card;
        let folder = self.folder.path().display();
        let mut text =
            format!("folder    {folder}\naddress   {url}\ndid       {did}\nhandle    {handle}\n");
        if let Some(password) = card.password {
            let login = login(url, handle, password)?;
            let (export, stream) = (export(url, did), stream(url));
            text.push_str(&format!(
                "password  {password}\n\nLog in:\n{login}\n\nExport the repository:\n{export}\n\n\
                 Follow the event stream from its beginning:\n{stream}\n"
            ));
        }
        Ok(text + "\nCtrl-C stops the server.\n")
    }
}

impl Door {
    /// Listens on `address`, or on both of this machine's own where it is `None`; port 0 means any.
    pub(crate) fn open(address: Option<IpAddr>, port: u16) -> Result<Self, DoorError> {
        let first = address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => DoorError::Busy(port),
            _ => DoorError::Other { address: first, port, error },
        };
        let listener = TcpListener::bind((first, port)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let mut listeners = vec![listener];
        if address.is_none() {
            // `localhost` means this one to many clients. A machine may do without it.
            match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(DoorError::Busy(port));
                }
                Err(_) => {}
                Ok(second) => listeners.push(second),
            }
        }
        for listener in &listeners {
            listener.set_nonblocking(true).map_err(failed)?;
        }
        Ok(Self { listeners, address: first, port })
    }

    /// Returns the port that was asked for, or found.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address at which this machine reaches the server.
    fn url(&self) -> String {
        let port = self.port;
        match self.address {
            address if address.is_loopback() || address.is_unspecified() => {
                format!("http://localhost:{port}")
            }
            IpAddr::V4(address) => format!("http://{address}:{port}"),
            IpAddr::V6(address) => format!("http://[{address}]:{port}"),
        }
    }
}

/// Returns the command line that logs in, for a POSIX shell.
fn login(url: &str, handle: &str, password: &str) -> Result<String, Failure> {
    let input = serde_json::json!({ "identifier": handle, "password": password });
    // Within single quotes only the single quote itself has a meaning.
    let input = serde_json::to_string(&input)?.replace('\'', r"'\''");
    Ok(format!(
        "curl -X POST {url}/xrpc/com.atproto.server.createSession \
         -H 'content-type: application/json' -d '{input}'"
    ))
}

/// Returns the command line that downloads the repository.
///
/// A colon of the DID that is encoded already, as that of a port is, is encoded twice.
fn export(url: &str, did: &str) -> String {
    let did = did.replace('%', "%25").replace(':', "%3A");
    format!("curl '{url}/xrpc/com.atproto.sync.getRepo?did={did}' -o repo.car")
}

/// Returns the command line that shows the event stream.
fn stream(url: &str) -> String {
    let url = url.replacen("http", "ws", 1);
    format!("websocat -b '{url}/xrpc/com.atproto.sync.subscribeRepos?cursor=0'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_line_survives_the_shell() {
        let password = r#"a'b"c\d$(e)`f`!g"#;
        let line = login("http://localhost:1", "alice.test", password).unwrap();
        let line = line.replacen("curl", "printf '%s\\n'", 1);
        let said = process::Command::new("sh").args(["-c", &line]).output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        let input: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!(input["password"], password);
        assert_eq!(input["identifier"], "alice.test");
    }

    #[test]
    fn the_other_lines_are_urls_of_the_server() {
        assert_eq!(
            export("http://localhost:1", "did:web:localhost%3A1"),
            "curl 'http://localhost:1/xrpc/com.atproto.sync.getRepo\
             ?did=did%3Aweb%3Alocalhost%253A1' -o repo.car"
        );
        assert_eq!(
            stream("http://localhost:1"),
            "websocat -b 'ws://localhost:1/xrpc/com.atproto.sync.subscribeRepos?cursor=0'"
        );
    }

    #[test]
    fn a_port_is_taken_once() {
        let door = Door::open(None, 0).unwrap();
        let port = door.port();
        assert_ne!(port, 0);
        assert_eq!(door.url(), format!("http://localhost:{port}"));
        assert!(matches!(Door::open(None, port), Err(DoorError::Busy(busy)) if busy == port));
    }
}
