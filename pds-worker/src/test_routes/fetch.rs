//! Requests to other servers that a test asks for.

use alloc::rc::Rc;
use core::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream;
use nacre_pds::body::Body;
use nacre_pds::config::Config;
use nacre_pds::host::Host;
use nacre_pds::outbound::{Fetch, Limits, Outbound, OutboundError, collect};
use serde::Deserialize;
use serde_json::{Value, json};
use worker::Delay;

/// The JSON that describes a request. `url` alone is a GET of a stranger's URL.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    url: String,
    /// Whether the operator has chosen the URL.
    operator: bool,
    /// Whether to check the URL without requesting it.
    check: bool,
    method: String,
    /// The pieces of a body that is streamed, with a pause before each.
    pieces: Vec<String>,
    /// The whole body.
    body: String,
    redirects: u8,
    body_bytes: usize,
    head_ms: u64,
    total_ms: u64,
    /// Whether to accept JSON only.
    json: bool,
    /// When to drop the request, if it has no response by then.
    abandon_ms: Option<u64>,
    /// Whether to drop the response after the first piece of its body.
    drop_body: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            url: String::new(),
            operator: false,
            check: false,
            method: "GET".to_owned(),
            pieces: Vec::new(),
            body: String::new(),
            redirects: 0,
            body_bytes: 1_000,
            head_ms: 5_000,
            total_ms: 5_000,
            json: false,
            abandon_ms: None,
            drop_body: false,
        }
    }
}

/// Sends the request that `body` describes. Returns the response, or the error, as JSON.
pub(super) async fn answer(host: &Host, config: Config, body: Body) -> String {
    let body = body.collect(100_000).await.unwrap_or_default();
    let answer = match serde_json::from_slice::<Wanted>(&body) {
        Err(error) => json!({ "malformed": error.to_string() }),
        Ok(wanted) => {
            let outbound = Outbound::new(host, Rc::new(config));
            let abandon_ms = wanted.abandon_ms;
            let sent = core::pin::pin!(send(&outbound, wanted));
            match abandon_ms {
                None => sent.await,
                Some(ms) => match select(sent, Delay::from(Duration::from_millis(ms))).await {
                    Either::Left((answer, _)) => answer,
                    Either::Right(_) => json!({ "abandoned": true }),
                },
            }
        }
    };
    answer.to_string()
}

async fn send(outbound: &Outbound, wanted: Wanted) -> Value {
    if wanted.check {
        let refused = outbound.check(&wanted.url).err();
        return json!({ "refused": refused.map(|error| format!("{error:?}")) });
    }
    let limits = Limits {
        body_bytes: wanted.body_bytes,
        content_types: if wanted.json { &["application/json"] } else { &[] },
        head_time: Duration::from_millis(wanted.head_ms),
        redirects: wanted.redirects,
        total_time: Duration::from_millis(wanted.total_ms),
    };
    match exchange(outbound, wanted, limits).await {
        Ok(response) => response,
        Err(error) => json!({ "error": format!("{error:?}") }),
    }
}

async fn exchange(
    outbound: &Outbound,
    wanted: Wanted,
    limits: Limits,
) -> Result<Value, OutboundError> {
    let method = wanted.method.parse().map_err(|_| OutboundError::Failed("method".to_owned()))?;
    let mut fetch = Fetch::new(method, wanted.url);
    if !wanted.pieces.is_empty() {
        let pieces = stream::unfold(wanted.pieces.into_iter(), async |mut pieces| {
            let piece = pieces.next()?;
            Delay::from(Duration::from_millis(20)).await;
            Some((Ok(Bytes::from(piece)), pieces))
        });
        fetch = fetch.with_body(Body::Stream(Box::pin(pieces)));
    } else if !wanted.body.is_empty() {
        fetch = fetch.with_body(wanted.body);
    }
    let sent = match wanted.operator {
        true => outbound.operator(fetch, limits),
        false => outbound.stranger(fetch, limits),
    };
    let mut response = sent.await?;
    if wanted.drop_body {
        let piece = response.body_mut().next_piece().await;
        let read = piece.transpose()?.map_or(0, |piece| piece.len());
        return Ok(json!({ "read": read }));
    }
    let response = collect(response).await?;
    let headers: Vec<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
    let text = String::from_utf8_lossy(response.body());
    let text: String = text.chars().take(2_000).collect();
    Ok(json!({
        "status": response.status().as_u16(),
        "headers": headers,
        "size": response.body().len(),
        "text": text,
    }))
}
