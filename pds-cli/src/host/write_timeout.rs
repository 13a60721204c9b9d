//! A write timeout for connections.

use core::pin::Pin;
use core::time::Duration;

use tokio::io::AsyncWrite;
use tokio_io_timeout::TimeoutWriter;

/// Returns a connection whose writes fail after [`WRITE_TIMEOUT`] without progress.
///
/// Otherwise a client that requests a large response and never reads it would hold its connection
/// slot forever.
pub(crate) fn with_write_timeout<S: AsyncWrite>(io: S) -> Pin<Box<TimeoutWriter<S>>> {
    let mut io = TimeoutWriter::new(io);
    io.set_timeout(Some(WRITE_TIMEOUT));
    Box::pin(io)
}

/// How long a write may wait for the client to read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, advance};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn write_fails_after_60_seconds_without_progress() {
        let (ours, _theirs) = duplex(4);
        let started = Instant::now();
        let failed = with_write_timeout(ours).write_all(b"12345").await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= WRITE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_reads_restart_the_timeout() {
        let (ours, mut theirs) = duplex(1);
        let sending = async {
            let mut ours = with_write_timeout(ours);
            ours.write_all(b"12345").await.unwrap();
        };
        let reading = async {
            for _ in 0..5 {
                advance(WRITE_TIMEOUT - Duration::from_secs(1)).await;
                theirs.read_u8().await.unwrap();
            }
        };
        tokio::join!(sending, reading);
    }
}
