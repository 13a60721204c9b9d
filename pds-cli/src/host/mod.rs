//! The native host: one thread, one executor, one account, as in a Durable Object.
//!
//! Everything runs on one current-thread runtime, so a *turn* of the server is what the executor
//! runs between two awaits, and nothing needs `Send`.

mod alarm;
mod blobs;
mod body;
mod compress;
mod gate;
mod http;
mod patience;
mod peer;
mod server;
mod sockets;
mod stop;
mod system;
mod websocket;

use alloc::rc::Rc;
use alloc::sync::Arc;
use std::io;
use std::net::TcpListener;

use nacre_pds::config::Config;
use nacre_pds::host::{Host, Sql};
use nacre_pds::sqlite::{Sqlite, WriteAheadLog};
use nacre_pds::{OpenError, Pds};
use tokio::task::JoinSet;

use self::alarm::ProcessAlarm;
pub(crate) use self::blobs::BlobFolder;
use self::gate::Gate;
use self::http::HttpClient;
pub(crate) use self::peer::Clients;
use self::server::Server;
use self::sockets::Subscribers;
use self::stop::Signals;
pub(crate) use self::system::SystemRng;
use self::system::{SystemClock, SystemLog};
use crate::log;

/// Opens the account to be served.
pub(crate) fn open(
    config: Config,
    (sql, log): (Sqlite, WriteAheadLog),
    blobs: BlobFolder,
    clients: Clients,
) -> Result<Server, OpenError> {
    let gate = Rc::new(Gate::new(Arc::new(log)));
    let blobs = blobs.behind(Rc::clone(&gate));
    let sockets = Rc::new(Subscribers::new(Rc::clone(&gate)));
    let alarm = Rc::new(ProcessAlarm::default());
    let http = HttpClient::new(Rc::clone(&gate));
    let sql = Rc::new(sql);
    let host = parts(sql, blobs.clone(), Rc::clone(&sockets), Rc::clone(&alarm), http);
    let pds = Pds::open(host, config)?;
    Ok(Server::new(Rc::new(pds), sockets, blobs, alarm, gate, clients))
}

/// Returns the host of a command of the operator, who serves nobody meanwhile.
pub(crate) fn unserved(sql: Rc<dyn Sql>, blobs: BlobFolder) -> Host {
    parts(sql, blobs, Rc::default(), Rc::default(), HttpClient::default())
}

fn parts(
    sql: Rc<dyn Sql>,
    blobs: BlobFolder,
    sockets: Rc<Subscribers>,
    alarm: Rc<ProcessAlarm>,
    http: HttpClient,
) -> Host {
    Host {
        sql,
        sockets,
        clock: Rc::new(SystemClock),
        rng: Rc::new(SystemRng),
        log: Rc::new(SystemLog),
        blobs: Rc::new(blobs),
        owner_marker: None,
        alarm,
        http: Rc::new(http),
    }
}

/// Serves the account until the process is told to stop; calls `ready` once it is reached.
///
/// Must run within a `LocalSet`.
///
/// # Errors
///
/// What the system says of the listeners, or of the disk: what was not acknowledged by then never
/// is.
pub(crate) async fn serve(
    server: Server,
    listeners: Vec<TcpListener>,
    ready: impl FnOnce(),
) -> io::Result<()> {
    let server = Rc::new(server);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accepting.spawn_local(Rc::clone(&server).accept(listener));
    }
    let tending = tokio::task::spawn_local(server.tend());
    let mut signals = Signals::new()?;
    ready();
    let stopped = async {
        signals.next().await;
        log(&"stopping; a second signal stops at once");
        accepting.shutdown().await;
        tending.abort();
        tokio::select! {
            () = server.drain() => {}
            () = signals.next() => {}
        }
    };
    tokio::select! {
        () = stopped => Ok(()),
        error = server.sync() => Err(error),
    }
}
