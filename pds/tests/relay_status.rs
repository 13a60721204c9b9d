//! `/operator/relays`: the status of relays, and the networks of subscribers.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::Client;
use client::relays::{MINUTE_S, RELAY, advance, reopen, start, write};
use nacre_pds::body::Body;
use nacre_pds::dev::block_on;
use serde_json::json;

#[test]
fn operator_sees_the_state_of_relays_and_subscribers() {
    let (client, relays) = start("true");
    relays.set(|script| script.crawl = Some((429, "{\"error\":\"Slow\\u001bDown\"}")));
    advance(&client, MINUTE_S);
    let poll = || client.get_as(&client.access, "/operator/relays").json(200);
    let seen = poll();
    let relay = &seen["relays"][0];
    assert_eq!(relay["url"], RELAY);
    assert_eq!(relay["askError"], "429 Too Many Requests: SlowDown");
    assert_eq!(relay["asked"], "2026-01-01T00:00:05.000Z");
    assert_eq!(relay["nextAsk"], "2026-01-01T00:20:05.000Z");
    assert_eq!(relay["status"], "active");
    assert_eq!(seen["subscribers"], json!([]));
    // The status is checked, but not by every poll.
    poll();
    assert_eq!(relays.0.borrow().status_checks, 1);
    let last = seen["seq"].as_i64().unwrap();
    relays.set(|script| {
        script.crawl = None;
        script.status = Some((200, json!({ "status": "offline", "seq": last - 1 }).to_string()));
    });
    client.subscribe(&format!("cursor={}", last - 1));
    client.host.move_clock(MINUTE_S);
    let seen = poll();
    assert_eq!(seen["relays"][0]["status"], "offline");
    assert_eq!(seen["relays"][0]["seq"], last - 1);
    assert_eq!(
        seen["subscribers"],
        json!([{ "network": "", "userAgent": "", "connected": "2026-01-01T00:01:00.000Z",
            "cursor": last - 1, "open": 1, "seq": last }])
    );
    // The relay is offline, so it is asked despite the subscriber.
    relays.take_crawl_requests();
    advance(&client, 20 * MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1);
    assert_eq!(client.get("/operator/relays").status, 401);
}

#[test]
fn frequent_polling_does_not_hide_a_lagging_relay() {
    let (client, relays) = start("true");
    advance(&client, MINUTE_S);
    client.subscribe("");
    let poll = || client.get_as(&client.access, "/operator/relays").json(200);
    let seq = poll()["seq"].as_i64().unwrap();
    relays.set(|script| {
        script.status = Some((200, json!({ "status": "active", "seq": seq }).to_string()));
    });
    for _ in 0..2 {
        relays.take_crawl_requests();
        write(&client);
        for _ in 0..12 {
            client.host.move_clock(10 * MINUTE_S);
            poll();
        }
        advance(&client, 2 * MINUTE_S);
        assert_eq!(relays.take_crawl_requests(), 1, "the relay lacks events from an hour ago");
    }
    // A relay that keeps up is not asked.
    let seq = poll()["seq"].as_i64().unwrap();
    relays.set(|script| {
        script.status = Some((200, json!({ "status": "active", "seq": seq }).to_string()));
    });
    for _ in 0..24 {
        client.host.move_clock(10 * MINUTE_S);
        poll();
    }
    advance(&client, 2 * MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 0);
}

#[test]
fn polling_writes_rows_only_when_a_status_changes_or_an_hour_has_passed() {
    let (client, relays) = start("true");
    advance(&client, MINUTE_S);
    client.subscribe("");
    let poll = || client.get_as(&client.access, "/operator/relays").json(200);
    let report = |status: &str, seq: i64| {
        let answer = json!({ "status": status, "seq": seq }).to_string();
        relays.set(|script| script.status = Some((200, answer)));
    };
    poll();
    let mut rows = client.host.rows().written;
    let mut written = || {
        let before = core::mem::replace(&mut rows, client.host.rows().written);
        rows - before
    };
    let checks = relays.0.borrow().status_checks;
    for minute in 1..40 {
        client.host.move_clock(MINUTE_S);
        report("active", minute);
        let seen = poll();
        let time = format!("2026-01-01T00:{:02}:00.000Z", minute + 1);
        assert_eq!(seen["relays"][0]["checked"], time);
        assert_eq!(seen["relays"][0]["seq"], minute);
    }
    assert_eq!((relays.0.borrow().status_checks - checks, written()), (39, 0));
    for (status, cost) in [("throttled", 1), ("throttled", 0), ("active", 1)] {
        client.host.move_clock(MINUTE_S);
        report(status, 40);
        poll();
        assert_eq!(written(), cost, "{status}");
    }
    client.host.move_clock(30 * MINUTE_S);
    poll();
    assert_eq!(written(), 1, "an hour has passed");
}

#[test]
fn new_networks_of_subscribers_write_a_bounded_number_of_rows() {
    let (client, _) = start("true");
    let connect = |client: &Client, network: usize| {
        let path = "/xrpc/com.atproto.sync.subscribeRepos";
        let request = client::request("GET", path, None, Body::Empty);
        let peer = format!("2001:db8:0:{network:x}::1").parse().unwrap();
        block_on(client.pds.handle(request, Some(peer)));
    };
    let rows = |client: &Client| client.host.rows().written;
    let before = rows(&client);
    (0..5).for_each(|_| connect(&client, 1));
    assert_eq!(rows(&client) - before, 1);
    (2..100).for_each(|network| connect(&client, network));
    assert_eq!(rows(&client) - before, 10);
    // An eviction does not reset the bound.
    let client = reopen(client);
    let before = rows(&client);
    connect(&client, 200);
    assert_eq!(rows(&client) - before, 0);
    for network in 300..340 {
        client.host.move_clock(2 * MINUTE_S);
        connect(&client, network);
    }
    let seen = client.get_as(&client.access, "/operator/relays").json(200);
    let networks = seen["subscribers"].as_array().unwrap();
    assert_eq!(networks.len(), 32);
    assert_eq!(networks[0]["network"], "2001:db8:0:153::");
}
