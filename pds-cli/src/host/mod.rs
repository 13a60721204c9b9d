//! The native host: one thread, one executor, one account, as in a Durable Object.
//!
//! Everything runs on one current-thread runtime. A *turn* of the server is therefore the code
//! between two awaits, and nothing needs `Send`.

mod alarm;
mod blob_folder;
mod body;
mod client_address;
mod compress;
mod compute;
mod http_client;
mod output_gate;
mod server;
mod sockets;
mod stop_signals;
mod system;
mod websocket;
mod write_timeout;

use alloc::rc::Rc;
use alloc::sync::Arc;
use std::io;
use std::net::TcpListener;

use nacre_pds::config::Config;
use nacre_pds::host::{Host, Level, RustEs256, Sql};
use nacre_pds::sqlite::{Sqlite, WriteAheadLog};
use nacre_pds::{OpenError, Pds};
use tokio::task::JoinSet;

use self::alarm::ProcessAlarm;
pub(crate) use self::blob_folder::BlobFolder;
pub(crate) use self::client_address::AddressSource;
use self::compute::BlockingThreads;
use self::http_client::HttpClient;
use self::output_gate::OutputGate;
use self::server::Server;
use self::sockets::Subscribers;
use self::stop_signals::StopSignals;
use self::system::SystemClock;
pub(crate) use self::system::SystemRng;
use crate::logging::{self, LogFormat, ProcessLog};

/// Opens an account for serving.
pub(crate) fn open(
    config: Config,
    (sql, log): (Sqlite, WriteAheadLog),
    blobs: BlobFolder,
    address_source: AddressSource,
) -> Result<Server, OpenError> {
    let gate = Rc::new(OutputGate::new(Arc::new(log)));
    let blobs = blobs.with_gate(Rc::clone(&gate));
    let sockets = Rc::new(Subscribers::new(Rc::clone(&gate)));
    let alarm = Rc::new(ProcessAlarm::default());
    let http = HttpClient::new(Rc::clone(&gate));
    let sql = Rc::new(sql);
    let level = config.log_level;
    let host = parts(sql, blobs.clone(), Rc::clone(&sockets), Rc::clone(&alarm), http, level);
    let pds = Pds::open(host, config)?;
    Ok(Server::new(Rc::new(pds), sockets, blobs, alarm, gate, address_source))
}

/// Returns the host for an operator command on the account of a stopped server.
pub(crate) fn unserved(sql: Rc<dyn Sql>, blobs: BlobFolder) -> Host {
    let level = Level::Warn;
    logging::start(LogFormat::Pretty, level);
    parts(sql, blobs, Rc::default(), Rc::default(), HttpClient::default(), level)
}

fn parts(
    sql: Rc<dyn Sql>,
    blobs: BlobFolder,
    sockets: Rc<Subscribers>,
    alarm: Rc<ProcessAlarm>,
    http: HttpClient,
    level: Level,
) -> Host {
    Host {
        sql,
        sockets,
        clock: Rc::new(SystemClock),
        rng: Rc::new(SystemRng),
        es256: Rc::new(RustEs256),
        compute: Rc::new(BlockingThreads::default()),
        log: Rc::new(ProcessLog { level }),
        blobs: Rc::new(blobs),
        owner_marker: None,
        alarm,
        http: Rc::new(http),
    }
}

/// Serves the account until the process receives a stop signal. Calls `ready` once connections are
/// accepted.
///
/// Must run within a `LocalSet`.
///
/// # Errors
///
/// The operating system's error if a listener cannot be used or the database cannot be synced to
/// disk. Pending responses are then never sent.
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
    let due_work = tokio::task::spawn_local(server.run_due_work());
    let mut signals = StopSignals::new()?;
    ready();
    let stopped = async {
        signals.next().await;
        tracing::info!(
            event = "server.stopping",
            "stopping; send the signal again to stop at once"
        );
        accepting.shutdown().await;
        due_work.abort();
        tokio::select! {
            () = server.drain() => {}
            () = signals.next() => {}
        }
    };
    tokio::select! {
        () = stopped => Ok(()),
        error = server.run_output_gate() => Err(error),
    }
}
