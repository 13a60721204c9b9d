//! `cargo xtask dev`: runs an account on workerd, the runtime that Cloudflare's network runs.
//!
//! The first start makes an account; all of it stays in one folder. wrangler runs as the child of
//! this program and holds the read end of a pipe whose other end is here: when this program ends,
//! however it ends, wrangler sees the end of the pipe and stops workerd and itself.

extern crate alloc;

use alloc::sync::Arc;
use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{self, Path, PathBuf};
use std::process::{self, Child, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Context, Error};
use crate::process::{cargo, command, output, say};
use crate::worker::{self, Routes};
use crate::{env_file, node, paths};

/// Runs the command with the arguments after its name.
pub(crate) fn run(args: Vec<String>) -> Result<(), Error> {
    let Some(options) = Options::parse(args)? else {
        println!("{USAGE}");
        return Ok(());
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot take signals")?;
    }
    let folder = Folder::open(&options.dir)?;
    let account = Account::open(&folder, &options)?;
    node::npm_ci(&paths::e2e())?;
    let modules = worker::build(options.routes)?;
    let mut server = Server::start(&folder, &account, &modules)?;
    server.wait_until_ready(account.port, &stop)?;
    if !stop.load(Ordering::Relaxed) {
        account.print(&folder, options.json);
    }
    server.serve(&stop)
}

/// What the command line says.
struct Options {
    dir: PathBuf,
    handle: Option<String>,
    hostname: Option<String>,
    json: bool,
    password: Option<String>,
    port: Option<u16>,
    routes: Routes,
}

impl Options {
    /// Returns `None` if the user asks for help.
    fn parse(args: Vec<String>) -> Result<Option<Self>, Error> {
        let mut options = Self {
            dir: paths::root().join(".nacre/worker"),
            handle: None,
            hostname: None,
            json: false,
            password: None,
            port: None,
            routes: Routes::Released,
        };
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let mut value = || {
                args.next().ok_or_else(|| Error::new(format!("{name} wants a value\n\n{USAGE}")))
            };
            match name.as_str() {
                "--dir" => options.dir = path::absolute(value()?).context("--dir is no path")?,
                "--handle" => options.handle = Some(value()?.to_ascii_lowercase()),
                "--help" | "-h" => return Ok(None),
                "--hostname" => options.hostname = Some(value()?.to_ascii_lowercase()),
                "--json" => options.json = true,
                "--password" => options.password = Some(value()?),
                "--port" => options.port = Some(value()?.parse().context("--port is no port")?),
                "--test-routes" => options.routes = Routes::WithTests,
                _ => return Err(Error::new(format!("there is no option `{name}`\n\n{USAGE}"))),
            }
        }
        Ok(Some(options))
    }
}

/// The folder of an account, locked as long as this lives.
struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    fn open(path: &Path) -> Result<Self, Error> {
        fs::create_dir_all(path).context(format_args!("cannot make {}", path.display()))?;
        fs::write(path.join(".gitignore"), "*\n").context("cannot write .gitignore")?;
        let lock = File::create(path.join("lock")).context("cannot make the lock")?;
        lock.try_lock().map_err(|_| {
            Error::new(format!(
                "{} is in use by another `cargo xtask dev`: stop that one, or choose another \
                 folder with --dir",
                path.display()
            ))
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Writes a file that only its owner may read, whole or not at all.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let (path, new) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let mut private = OpenOptions::new();
        private.write(true).create(true).truncate(true).mode(0o600);
        let written = private.open(&new).and_then(|mut file| file.write_all(text.as_bytes()));
        written
            .and_then(|()| fs::rename(&new, &path))
            .context(format_args!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// The account: its variables, as `pds vars` prints them, the password and the port.
struct Account {
    vars: Vec<(String, String)>,
    port: u16,
}

impl Account {
    /// Reads the kept account, or makes one. The port is kept too, being a part of the DID.
    fn open(folder: &Folder, options: &Options) -> Result<Self, Error> {
        let file = folder.path.join(ACCOUNT);
        if !file.exists() {
            return Self::make(folder, options);
        }
        let text =
            fs::read_to_string(&file).context(format_args!("cannot read {}", file.display()))?;
        let mut account = Self { vars: variables(&text)?, port: 0 };
        account.port = account.value("PORT").parse().context(format_args!("in {ACCOUNT}, PORT"))?;
        let port = options.port.filter(|port| *port != 0).map(|port| port.to_string());
        for (option, name, given) in [
            ("--handle", "HANDLE", &options.handle),
            ("--hostname", "PDS_HOSTNAME", &options.hostname),
            ("--password", "PASSWORD", &options.password),
            ("--port", "PORT", &port),
        ] {
            if given.as_deref().is_some_and(|given| given != account.value(name)) {
                let (path, kept) = (folder.path.display(), account.value(name));
                return Err(Error::new(format!(
                    "the account in {path} has {option} {kept}: leave {option} out, or choose \
                     another folder with --dir"
                )));
            }
        }
        Ok(account)
    }

    fn make(folder: &Folder, options: &Options) -> Result<Self, Error> {
        let port = match options.port.unwrap_or(DEFAULT_PORT) {
            0 => free_port()?,
            port => port,
        };
        let hostname = options.hostname.clone().unwrap_or_else(|| format!("localhost:{port}"));
        let handle = options.handle.as_deref().unwrap_or("alice.test");
        let password = options.password.clone().map_or_else(random_password, Ok)?;
        if password.chars().any(char::is_control) {
            return Err(Error::new("--password contains a control character"));
        }
        let mut vars = cargo();
        vars.args(["run", "--quiet", "--package", "nacre-pds-cli", "--", "vars"]);
        vars.args(["--hostname", &hostname, "--handle", handle, "--password", &password]);
        let password = env_file::quote(&password);
        let text = format!("{}\nPASSWORD={password}\nPORT={port}\n", output(&mut vars)?);
        folder.write(ACCOUNT, &text)?;
        Ok(Self { vars: variables(&text)?, port })
    }

    /// Returns the value of a variable, empty if it is not set.
    fn value(&self, name: &str) -> &str {
        let last = self.vars.iter().rev().find(|(known, _)| known == name);
        last.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Returns the variables in the form that wrangler reads, which takes off one pair of quotes
    /// and then expands `$name`, whatever the quotes.
    fn for_wrangler(&self) -> String {
        let ours = |(name, _): &&(String, String)| !["PASSWORD", "PORT"].contains(&name.as_str());
        let line = |(name, value): &(String, String)| {
            let quote = ['\'', '"', '`'].into_iter().find(|quote| !value.contains(*quote));
            let quote = quote.map(String::from).unwrap_or_default();
            format!("{name}={quote}{}{quote}\n", value.replace('$', r"\$"))
        };
        self.vars.iter().filter(ours).map(line).collect()
    }

    fn print(&self, folder: &Folder, json: bool) {
        let (did, handle) = (self.value("DID"), self.value("HANDLE"));
        let password = self.value("PASSWORD");
        let url = format!("http://localhost:{}", self.port);
        let text = if json {
            // It need not be there.
            let public_key = Some(self.value("SIGNING_KEY_PUBLIC")).filter(|key| !key.is_empty());
            let public_key = public_key.map(|key| format!("did:key:{key}"));
            let pid = process::id();
            let card = json!({ "url": url, "did": did, "handle": handle, "password": password,
                "publicKey": public_key, "pid": pid });
            format!("{card}\n")
        } else {
            let login = json!({ "identifier": handle, "password": password }).to_string();
            // Within single quotes only the single quote itself has a meaning.
            let login = login.replace('\'', r"'\''");
            let in_query = did.replace('%', "%25").replace(':', "%3A");
            let socket = url.replacen("http", "ws", 1);
            format!(
                "folder    {}\naddress   {url}\ndid       {did}\nhandle    {handle}\n\
                 password  {password}\n\nLog in:\n\
                 curl -X POST {url}/xrpc/com.atproto.server.createSession \
                 -H 'content-type: application/json' -d '{login}'\n\n\
                 Export the repository:\n\
                 curl '{url}/xrpc/com.atproto.sync.getRepo?did={in_query}' -o repo.car\n\n\
                 Follow the event stream from its beginning:\n\
                 websocat -b '{socket}/xrpc/com.atproto.sync.subscribeRepos?cursor=0'\n\n\
                 Ctrl-C stops the server.\n",
                folder.path.display()
            )
        };
        // Whoever started the server may have stopped listening to it.
        let _ = io::stdout().write_all(text.as_bytes());
        let _ = io::stdout().flush();
    }
}

/// Reads the file of an account, also one of a version that wrote values without quotes.
fn variables(text: &str) -> Result<Vec<(String, String)>, Error> {
    env_file::parse(text).or_else(|error| {
        env_file::parse_verbatim(text).ok_or_else(|| Error::new(format!("{ACCOUNT}: {error}")))
    })
}

/// wrangler, and workerd which it runs.
struct Server(Child);

impl Server {
    fn start(folder: &Folder, account: &Account, modules: &Path) -> Result<Self, Error> {
        // wrangler would take another port without a word.
        TcpListener::bind((Ipv4Addr::LOCALHOST, account.port)).map_err(|error| {
            Error::new(format!("cannot listen on port {}: {error}", account.port))
        })?;
        let variables = folder.write("wrangler.env", &account.for_wrangler())?;
        let package = paths::root().join("pds-worker");
        let mut wrangler = command(node::node()?, &package);
        wrangler.args(["--no-warnings", "--import", END_WITH_STDIN]);
        wrangler.arg(paths::e2e().join("node_modules/wrangler/wrangler-dist/cli.js"));
        wrangler.arg("dev").arg(modules.join("shim.js"));
        wrangler.arg("--config").arg(package.join("wrangler.jsonc"));
        wrangler.arg("--persist-to").arg(folder.path.join("state"));
        wrangler.arg("--env-file").arg(variables);
        wrangler.args(["--local", "--ip", "127.0.0.1", "--port", &account.port.to_string()]);
        wrangler.args(["--inspector-port", "0", "--show-interactive-dev-session=false"]);
        wrangler.envs(ENVIRONMENT);
        wrangler.env("WRANGLER_LOG_PATH", folder.path.join("logs"));
        wrangler.env("WRANGLER_REGISTRY_PATH", folder.path.join("registry"));
        // Our output may be read by a program, so all that wrangler says is an aside.
        wrangler.stdin(Stdio::piped()).stdout(io::stderr()).stderr(Stdio::inherit());
        wrangler.spawn().map(Self).context("cannot start wrangler")
    }

    /// Waits until the account answers.
    fn wait_until_ready(&mut self, port: u16, stop: &AtomicBool) -> Result<(), Error> {
        let patience = Instant::now() + MAX_START;
        while !stop.load(Ordering::Relaxed) {
            match health(port) {
                Ok(answer) if answer.starts_with("HTTP/1.1 200") => return Ok(()),
                // It runs, and says why it does not serve the account.
                Ok(answer)
                    if ["\"version\":\"nacre ", "AccountNotOpened"]
                        .iter()
                        .any(|own| answer.contains(own)) =>
                {
                    say(answer.lines().last().unwrap_or_default());
                    return Ok(());
                }
                Ok(answer) if Instant::now() > patience => {
                    return Err(Error::new(format!("the server does not work:\n{answer}")));
                }
                Err(error) if Instant::now() > patience => {
                    return Err(Error::new(format!("the server does not answer: {error}")));
                }
                Ok(_) | Err(_) => self.expect_running()?,
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Waits for the signal to stop, then for wrangler's end.
    fn serve(mut self, stop: &AtomicBool) -> Result<(), Error> {
        while !stop.load(Ordering::Relaxed) {
            self.expect_running()?;
            thread::sleep(POLL);
        }
        drop(self.0.stdin.take());
        let patience = Instant::now() + MAX_STOP;
        while Instant::now() < patience {
            if self.0.try_wait().context("cannot wait for wrangler")?.is_some() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        self.0.kill().context("cannot end wrangler")?;
        Err(Error::new("wrangler did not stop, and was ended"))
    }

    fn expect_running(&mut self) -> Result<(), Error> {
        match self.0.try_wait().context("cannot wait for wrangler")? {
            None => Ok(()),
            Some(status) => Err(Error::new(format!("wrangler ended by itself, {status}"))),
        }
    }
}

/// Asks the server how it is, and returns the answer from its first line on.
fn health(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(MAX_ANSWER))?;
    let host = format!("localhost:{port}");
    write!(stream, "GET /xrpc/_health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).context("there is no free port")
}

/// Returns a password of 80 bits in four groups.
fn random_password() -> Result<String, Error> {
    let mut bytes = [0; 10];
    let random = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    random.context("there is no randomness for a password: choose one with --password")?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups = digits.as_bytes().chunks(5).map(String::from_utf8_lossy);
    Ok(groups.collect::<Vec<_>>().join("-"))
}

const USAGE: &str = "\
usage: cargo xtask dev [options]

Runs an account on workerd. The first start makes the account.

  --dir FOLDER     where the account and its data are kept (.nacre/worker)
  --port N         the port to listen on; 0 finds a free one at the first start (8787)
  --hostname NAME  the host name that the account's did:web is made of (localhost:PORT)
  --handle NAME    the account's handle (alice.test)
  --password TEXT  the account's password, kept in the clear (a random one)
  --json           print one line of JSON for programs
  --test-routes    answer the routes of tests too";

/// The file of the account in its folder.
const ACCOUNT: &str = "pds.env";
/// wrangler's own.
const DEFAULT_PORT: u16 = 8787;
/// Run by Node before wrangler: the end of the standard input is the order to stop.
const END_WITH_STDIN: &str = "data:text/javascript,\
    process.stdin.on('end',()=>process.kill(process.pid,'SIGTERM')).resume()";
/// wrangler neither asks the network for anything nor tells it.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
    ("NO_COLOR", "1"),
    ("WRANGLER_HIDE_BANNER", "true"),
    ("WRANGLER_SEND_ERROR_REPORTS", "false"),
    ("WRANGLER_SEND_METRICS", "false"),
];
/// How long wrangler may take to run workerd, on a busy machine.
const MAX_START: Duration = Duration::from_secs(120);
/// How long wrangler may take to stop before it is ended.
const MAX_STOP: Duration = Duration::from_secs(10);
const MAX_ANSWER: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: u64 = 4_096;
const POLL: Duration = Duration::from_millis(100);
