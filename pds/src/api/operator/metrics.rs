//! `metrics`: the metrics of the server, for Prometheus.

use http::StatusCode;

use crate::Pds;
use crate::api::{Failure, Nothing, Output, Reply};
use crate::auth::Operator;
use crate::http::typed;
use crate::metrics::Gauges;

/// Metrics in the Prometheus text format.
pub(crate) struct PrometheusText(String);

/// `metrics`: the counters since the start, the totals of the day, and the current state.
pub(crate) async fn metrics(pds: &Pds, _: Operator, _: Nothing) -> Result<PrometheusText, Failure> {
    let account = pds.account.state()?;
    let subscribers = &pds.events.subscribers;
    let gauges = Gauges {
        active: account.active,
        subscribers: subscribers.count(),
        replay_lag: subscribers.replay_lag(account.seq),
        last_seq: account.seq,
        log_bytes: account.event_bytes,
        records: account.records,
        referenced_blobs: account.blobs.referenced,
        stored_blobs: account.blobs.stored,
    };
    Ok(PrometheusText(pds.metrics.render(&gauges, pds.host.clock.now_s())))
}

impl Output for PrometheusText {
    fn into_reply(self) -> Result<Reply, Failure> {
        Ok(Reply::Response(typed(StatusCode::OK, PROMETHEUS, self.0.into())))
    }
}

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
