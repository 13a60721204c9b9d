//! What the operator sees of relays, and of others who listen.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::Client;
use client::relays::{MINUTE_S, RELAY, pass, reopen, start, write};
use nacre_pds::body::Body;
use nacre_pds::dev::block_on;
use serde_json::json;

#[test]
fn the_operator_sees_how_things_stand() {
    let (client, relays) = start("true");
    relays.say(|script| script.crawl = Some((429, "{\"error\":\"Slow\\u001bDown\"}")));
    pass(&client, MINUTE_S);
    let look = || client.get_as(&client.access, "/operator/relays").json(200);
    let seen = look();
    let relay = &seen["relays"][0];
    assert_eq!(relay["url"], RELAY);
    assert_eq!(relay["askError"], "429 Too Many Requests: SlowDown");
    assert_eq!(relay["asked"], "2026-01-01T00:00:05.000Z");
    assert_eq!(relay["nextAsk"], "2026-01-01T00:20:05.000Z");
    assert_eq!(relay["status"], "active");
    assert_eq!(seen["subscribers"], json!([]));
    // It is asked anew, but not by every look.
    look();
    assert_eq!(relays.0.borrow().checked, 1);
    let last = seen["seq"].as_i64().unwrap();
    relays.say(|script| {
        script.crawl = None;
        script.status = Some((200, json!({ "status": "offline", "seq": last - 1 }).to_string()));
    });
    client.subscribe(&format!("cursor={}", last - 1));
    client.host.move_clock(MINUTE_S);
    let seen = look();
    assert_eq!(seen["relays"][0]["status"], "offline");
    assert_eq!(seen["relays"][0]["seq"], last - 1);
    assert_eq!(
        seen["subscribers"],
        json!([{ "network": "", "userAgent": "", "connected": "2026-01-01T00:01:00.000Z",
            "cursor": last - 1, "open": 1, "seq": last }])
    );
    // What was seen there has it asked, though somebody listens.
    relays.asked();
    pass(&client, 20 * MINUTE_S);
    assert_eq!(relays.asked(), 1);
    assert_eq!(client.get("/operator/relays").status, 401);
}

#[test]
fn frequent_polling_does_not_hide_a_relay_that_lags() {
    let (client, relays) = start("true");
    pass(&client, MINUTE_S);
    client.subscribe("");
    let look = || client.get_as(&client.access, "/operator/relays").json(200);
    let seq = look()["seq"].as_i64().unwrap();
    relays.say(|script| {
        script.status = Some((200, json!({ "status": "active", "seq": seq }).to_string()));
    });
    for _ in 0..2 {
        relays.asked();
        write(&client);
        for _ in 0..12 {
            client.host.move_clock(10 * MINUTE_S);
            look();
        }
        pass(&client, 2 * MINUTE_S);
        assert_eq!(relays.asked(), 1, "it lacks what was there an hour ago");
    }
    // One that keeps up is left alone.
    let seq = look()["seq"].as_i64().unwrap();
    relays.say(|script| {
        script.status = Some((200, json!({ "status": "active", "seq": seq }).to_string()));
    });
    for _ in 0..24 {
        client.host.move_clock(10 * MINUTE_S);
        look();
    }
    pass(&client, 2 * MINUTE_S);
    assert_eq!(relays.asked(), 0);
}

#[test]
fn polling_writes_rows_only_when_a_status_changes_or_an_hour_has_passed() {
    let (client, relays) = start("true");
    pass(&client, MINUTE_S);
    client.subscribe("");
    let look = || client.get_as(&client.access, "/operator/relays").json(200);
    let say = |status: &str, seq: i64| {
        let answer = json!({ "status": status, "seq": seq }).to_string();
        relays.say(|script| script.status = Some((200, answer)));
    };
    look();
    let mut rows = client.host.rows().1;
    let mut written = || {
        let before = core::mem::replace(&mut rows, client.host.rows().1);
        rows - before
    };
    let checked = relays.0.borrow().checked;
    for minute in 1..40 {
        client.host.move_clock(MINUTE_S);
        say("active", minute);
        let seen = look();
        let time = format!("2026-01-01T00:{:02}:00.000Z", minute + 1);
        assert_eq!(seen["relays"][0]["checked"], time);
        assert_eq!(seen["relays"][0]["seq"], minute);
    }
    assert_eq!((relays.0.borrow().checked - checked, written()), (39, 0));
    for (status, cost) in [("throttled", 1), ("throttled", 0), ("active", 1)] {
        client.host.move_clock(MINUTE_S);
        say(status, 40);
        look();
        assert_eq!(written(), cost, "{status}");
    }
    client.host.move_clock(30 * MINUTE_S);
    look();
    assert_eq!(written(), 1, "an hour has passed");
}

#[test]
fn strangers_who_come_and_come_cost_a_row_now_and_then() {
    let (client, _) = start("true");
    let come = |client: &Client, network: usize| {
        let path = "/xrpc/com.atproto.sync.subscribeRepos";
        let request = client::request("GET", path, None, Body::Empty);
        let peer = format!("2001:db8:0:{network:x}::1").parse().unwrap();
        block_on(client.pds.handle(request, Some(peer)));
    };
    let rows = |client: &Client| client.host.rows().1;
    let before = rows(&client);
    (0..5).for_each(|_| come(&client, 1));
    assert_eq!(rows(&client) - before, 1);
    (2..100).for_each(|network| come(&client, network));
    assert_eq!(rows(&client) - before, 10);
    // A host that forgets the server begins no new count.
    let client = reopen(client);
    let before = rows(&client);
    come(&client, 200);
    assert_eq!(rows(&client) - before, 0);
    for network in 300..340 {
        client.host.move_clock(2 * MINUTE_S);
        come(&client, network);
    }
    let seen = client.get_as(&client.access, "/operator/relays").json(200);
    let networks = seen["subscribers"].as_array().unwrap();
    assert_eq!(networks.len(), 32);
    assert_eq!(networks[0]["network"], "2001:db8:0:153::");
}
