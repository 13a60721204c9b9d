//! The server's log on standard error, as text or as lines of JSON.

use std::io::{self, IsTerminal as _};
use std::panic;

use nacre_pds::host::{Entry, Level, Log};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Text for people
    #[default]
    Pretty,
    /// One JSON object a line
    Json,
}

/// The log of this process.
pub(crate) struct ProcessLog {
    /// The least serious level that is written.
    pub(crate) level: Level,
}

/// Starts the log of this process. Only the first call has an effect.
pub(crate) fn start(format: LogFormat, level: Level) {
    let log = fmt()
        .with_writer(io::stderr)
        .with_max_level(filter(level))
        .with_target(false)
        // Otherwise each entry would panic if standard error is closed.
        .log_internal_errors(false);
    let started = match format {
        LogFormat::Pretty => log.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
        }
    };
    if started.is_ok() {
        panic::set_hook(Box::new(|panic| tracing::error!(event = "panic", "{panic}")));
    }
}

/// Writes an entry at a constant level.
macro_rules! write_entry {
    ($level:ident, $entry:expr) => {{
        let Entry { event, message, request, .. } = *$entry;
        let message = if message.is_empty() { event } else { message };
        // Fields that are `None` are left out.
        let duration = request.and_then(|request| request.duration);
        tracing::event!(
            tracing::Level::$level,
            event,
            request = request.map(|request| request.id),
            method = request.map(|request| request.method),
            status = request.and_then(|request| request.status),
            duration_ms = duration.and_then(|duration| u64::try_from(duration.as_millis()).ok()),
            "{message}"
        );
    }};
}

impl Log for ProcessLog {
    fn is_enabled(&self, level: Level) -> bool {
        level <= self.level
    }

    fn write(&self, entry: &Entry<'_>) {
        // The macro takes constant levels only.
        match entry.level {
            Level::Error => write_entry!(ERROR, entry),
            Level::Warn => write_entry!(WARN, entry),
            Level::Info => write_entry!(INFO, entry),
            Level::Debug => write_entry!(DEBUG, entry),
        }
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    }
}
