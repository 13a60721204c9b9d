//! The native host: one thread, one executor, one account, as in a Durable Object.
//!
//! Everything runs on one current-thread runtime, so a *turn* of the server is what the executor
//! runs between two awaits, and nothing needs `Send`.

mod body;
mod patience;
mod peer;
mod server;
mod sockets;
mod stop;
mod system;
mod websocket;

use alloc::rc::Rc;
use std::io;
use std::net::TcpListener;

use nacre_pds::config::Config;
use nacre_pds::host::{Host, Sql};
use nacre_pds::{OpenError, Pds};
use tokio::task::JoinSet;

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
    sql: Rc<dyn Sql>,
    clients: Clients,
) -> Result<Server, OpenError> {
    let sockets = Rc::new(Subscribers::default());
    let pds = account(config, sql, Rc::clone(&sockets))?;
    Ok(Server::new(Rc::new(pds), sockets, clients))
}

/// Opens the account for a command of its operator.
pub(crate) fn open_unserved(config: Config, sql: Rc<dyn Sql>) -> Result<Pds, OpenError> {
    account(config, sql, Rc::default())
}

fn account(config: Config, sql: Rc<dyn Sql>, sockets: Rc<Subscribers>) -> Result<Pds, OpenError> {
    let host = Host {
        sql,
        sockets,
        clock: Rc::new(SystemClock),
        rng: Rc::new(SystemRng),
        log: Rc::new(SystemLog),
    };
    Pds::open(host, config)
}

/// Serves the account until the process is told to stop; calls `ready` once it is reached.
///
/// Must run within a `LocalSet`.
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
    let mut signals = Signals::new()?;
    ready();
    signals.next().await;
    log(&"stopping; a second signal stops at once");
    accepting.shutdown().await;
    tokio::select! {
        () = server.drain() => {}
        () = signals.next() => {}
    }
    Ok(())
}
