//! Crawl requests: when relays are asked, asked again, and left alone.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::Client;
use client::relays::{HOUR_S, MINUTE_S, RELAY, Relays, advance, config, reopen, start, write};
use nacre_pds::dev::{Memory, block_on};
use serde_json::{Value, json};

#[test]
fn relays_are_asked_for_a_new_account_and_for_events_without_a_subscriber() {
    let (client, relays) = start("true");
    advance(&client, 2 * MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1);
    advance(&client, 30 * HOUR_S);
    assert_eq!(
        relays.take_crawl_requests(),
        0,
        "the relay has accepted, and there are no new events"
    );
    write(&client);
    advance(&client, MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1);
    // At most one request in 20 minutes.
    for _ in 0..18 {
        write(&client);
        advance(&client, MINUTE_S);
    }
    assert_eq!(relays.take_crawl_requests(), 0);
    advance(&client, 2 * MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1);
    // A subscriber receives the events, so no relay is asked.
    client.subscribe("");
    for _ in 0..60 {
        write(&client);
        advance(&client, MINUTE_S);
    }
    assert_eq!(relays.take_crawl_requests(), 0);
}

#[test]
fn crawl_requests_are_limited_to_three_an_hour() {
    let (client, relays) = start("true");
    for _ in 0..24 * 60 {
        write(&client);
        advance(&client, 58);
    }
    let requests = relays.take_crawl_requests();
    assert!((70..=72).contains(&requests), "{requests}");
}

#[test]
fn unreachable_relay_is_retried_with_backoff() {
    let (client, relays) = start("true");
    relays.set(|script| script.is_unreachable = true);
    advance(&client, 7 * 24 * HOUR_S);
    let times: Vec<_> =
        relays.0.borrow().crawl_requests.iter().map(|(_, time_s)| *time_s).collect();
    let pauses: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]) / MINUTE_S).collect();
    assert_eq!(pauses[..7], [20, 40, 80, 160, 320, 640, 640]);
    assert!(pauses[7..].iter().all(|pause| *pause == 640));
    relays.take_crawl_requests();
    let log = client.host.take_log();
    assert_eq!(log, [format!("cannot ask {RELAY} to crawl: the request timed out")], "logged once");
    relays.set(|script| script.is_unreachable = false);
    advance(&client, 11 * HOUR_S);
    assert_eq!(relays.take_crawl_requests(), 1, "no retry after success");
    write(&client);
    advance(&client, 20 * MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1, "success resets the backoff");
}

#[test]
fn relay_that_lost_the_account_is_asked_despite_other_subscribers() {
    let (client, relays) = start("true");
    advance(&client, 2 * MINUTE_S);
    client.subscribe("");
    relays.take_crawl_requests();
    let requests_after = |status: (u16, Value)| {
        relays.set(|script| script.status = Some((status.0, status.1.to_string())));
        write(&client);
        advance(&client, 2 * HOUR_S);
        relays.take_crawl_requests()
    };
    assert_eq!(requests_after((200, json!({ "status": "active", "hostname": "x" }))), 0);
    assert_eq!(requests_after((200, json!({ "status": "throttled" }))), 0);
    assert_eq!(requests_after((200, json!({ "status": "banned" }))), 0);
    assert_eq!(requests_after((200, json!({ "status": "offline" }))), 1);
    assert_eq!(requests_after((200, json!({ "status": "idle" }))), 1);
    assert_eq!(requests_after((404, json!({ "error": "HostNotFound" }))), 1);
    assert_eq!(requests_after((400, json!({ "error": "HostNotFound" }))), 1);
    // The relay lacks events from hours ago.
    assert_eq!(requests_after((200, json!({ "status": "active", "seq": 1 }))), 1);
    assert_eq!(requests_after((200, json!({ "status": "active", "seq": (1_i64 << 53) - 1 }))), 0);
    assert_eq!(requests_after((200, json!({ "status": "active", "seq": i64::MAX }))), 0);
    assert_eq!(requests_after((200, json!({ "status": "active", "seq": -1 }))), 0);
    // Malformed answers are ignored.
    assert_eq!(requests_after((500, json!({ "error": "InternalServerError" }))), 0);
    assert_eq!(requests_after((200, json!({ "seq": "many" }))), 0);
    assert_eq!(requests_after((200, json!([1]))), 0);
    assert_eq!(client.host.take_log(), [""; 0]);
}

#[test]
fn relay_status_is_checked_at_most_once_an_hour_and_only_after_events() {
    let (client, relays) = start("true");
    advance(&client, 2 * MINUTE_S);
    client.subscribe("");
    for _ in 0..24 * 6 {
        write(&client);
        advance(&client, 10 * MINUTE_S);
    }
    let checked = relays.0.borrow().status_checks;
    // One at the start, then one an hour.
    assert!((22..=25).contains(&checked), "{checked}");
    advance(&client, 48 * HOUR_S);
    assert!(relays.0.borrow().status_checks <= checked + 1);
}

#[test]
fn activation_asks_relays_to_crawl() {
    let (client, relays) = start("false");
    advance(&client, 48 * HOUR_S);
    assert_eq!(relays.take_crawl_requests(), 0);
    client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    advance(&client, MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1);
    // A second activation asks again, despite a subscriber.
    client.subscribe("");
    advance(&client, HOUR_S);
    client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    advance(&client, MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1);
}

#[test]
fn restart_asks_relays_unless_a_subscriber_stayed_connected() {
    let (client, relays) = start("true");
    advance(&client, HOUR_S);
    assert_eq!(relays.take_crawl_requests(), 1);
    let client = reopen(client);
    advance(&client, MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1, "no new events, but the sockets were lost");
    let client = reopen(client);
    advance(&client, 18 * MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 0, "asked less than 20 minutes ago");
    // A host that evicts the server but keeps the sockets has lost no subscriber.
    advance(&client, HOUR_S);
    relays.take_crawl_requests();
    client.subscribe("");
    let client = reopen(client);
    advance(&client, HOUR_S);
    assert_eq!(relays.take_crawl_requests(), 0);
}

#[test]
fn interrupted_crawl_request_is_repeated() {
    let (client, relays) = start("true");
    client.host.move_clock(MINUTE_S);
    {
        let mut due_work = core::pin::pin!(client.pds.run_due_work());
        let mut context = core::task::Context::from_waker(core::task::Waker::noop());
        while relays.0.borrow().crawl_requests.is_empty() {
            assert!(due_work.as_mut().poll(&mut context).is_pending());
        }
    }
    assert_eq!(relays.take_crawl_requests(), 1);
    let client = reopen(client);
    client.subscribe("");
    advance(&client, MINUTE_S);
    write(&client);
    advance(&client, 20 * MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1, "the outcome of the first request is unknown");
}

#[test]
fn every_configured_relay_is_asked() {
    let (host, relays) = (Memory::new(7), Relays::default());
    relays.serve(&host);
    let others = ["relay.example.net", "https://second.example.net/"];
    let client = Client::with_config(host.clone(), config(&others, "true").0);
    advance(&client, MINUTE_S);
    let mut origins: Vec<_> =
        relays.0.borrow_mut().crawl_requests.drain(..).map(|it| it.0).collect();
    origins.sort();
    assert_eq!(origins, [RELAY, "https://second.example.net"]);
}

#[test]
fn frequent_requests_do_not_postpone_a_crawl_request() {
    let (client, relays) = start("true");
    relays.set(|script| script.is_unreachable = true);
    advance(&client, MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1);
    relays.set(|script| script.is_unreachable = false);
    client.host.move_clock(20 * MINUTE_S);
    client.host.forget_alarm();
    let client = reopen(client);
    for _ in 0..8 {
        advance(&client, 15);
        client.get_as(&client.access, "/operator/relays").json(200);
        client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    }
    assert_eq!(relays.take_crawl_requests(), 1);
}

#[test]
fn clock_set_back_does_not_suppress_crawl_requests() {
    let (client, relays) = start("true");
    client.host.move_clock(400 * 24 * HOUR_S);
    advance(&client, MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1);
    client.host.move_clock(-400 * 24 * HOUR_S);
    client.host.forget_alarm();
    let client = reopen(client);
    advance(&client, 2 * MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 1);
    advance(&client, 10 * MINUTE_S);
    assert_eq!(relays.take_crawl_requests(), 0);
}

#[test]
fn crawl_request_is_retried_after_a_database_failure() {
    for steps in 0..40 {
        let (client, relays) = start("true");
        advance(&client, HOUR_S);
        relays.take_crawl_requests();
        write(&client);
        client.host.move_clock(MINUTE_S);
        client.host.forget_alarm();
        client.host.fail_after(Some(steps));
        block_on(client.pds.run_due_work());
        client.host.fail_after(None);
        let requests = relays.take_crawl_requests();
        for _ in 0..25 {
            write(&client);
            advance(&client, MINUTE_S);
        }
        assert!(requests + relays.take_crawl_requests() >= 1, "after {steps} steps");
    }
}
