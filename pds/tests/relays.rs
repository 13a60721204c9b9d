//! Relays are reminded of the account, and not more often than need be.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::Client;
use client::relays::{HOUR_S, MINUTE_S, RELAY, Relays, config, pass, reopen, start, write};
use nacre_pds::dev::{Memory, block_on};
use serde_json::{Value, json};

#[test]
fn a_new_account_is_made_known_and_then_only_when_there_is_news_that_nobody_hears() {
    let (client, relays) = start("true");
    pass(&client, 2 * MINUTE_S);
    assert_eq!(relays.asked(), 1);
    pass(&client, 30 * HOUR_S);
    assert_eq!(relays.asked(), 0, "it has agreed, and there is nothing new");
    write(&client);
    pass(&client, MINUTE_S);
    assert_eq!(relays.asked(), 1);
    // Not more often than every 20 minutes, and no alarm goes off for nothing meanwhile.
    for _ in 0..18 {
        write(&client);
        pass(&client, MINUTE_S);
    }
    assert_eq!(relays.asked(), 0);
    pass(&client, 2 * MINUTE_S);
    assert_eq!(relays.asked(), 1);
    // Who listens hears it.
    client.subscribe("");
    for _ in 0..60 {
        write(&client);
        pass(&client, MINUTE_S);
    }
    assert_eq!(relays.asked(), 0);
}

#[test]
fn a_day_of_writes_that_nobody_hears_is_at_most_three_requests_an_hour() {
    let (client, relays) = start("true");
    for _ in 0..24 * 60 {
        write(&client);
        pass(&client, 58);
    }
    let asked = relays.asked();
    assert!((70..=72).contains(&asked), "{asked}");
}

#[test]
fn one_that_cannot_be_reached_is_asked_more_and_more_rarely_until_it_can() {
    let (client, relays) = start("true");
    relays.say(|script| script.is_unreachable = true);
    pass(&client, 7 * 24 * HOUR_S);
    let times: Vec<_> = relays.0.borrow().asked.iter().map(|(_, time_s)| *time_s).collect();
    let pauses: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]) / MINUTE_S).collect();
    assert_eq!(pauses[..7], [20, 40, 80, 160, 320, 640, 640]);
    assert!(pauses[7..].iter().all(|pause| *pause == 640));
    relays.asked();
    let log = client.host.take_log();
    assert_eq!(log, [format!("cannot ask {RELAY} to crawl: the request timed out")], "once");
    relays.say(|script| script.is_unreachable = false);
    pass(&client, 11 * HOUR_S);
    assert_eq!(relays.asked(), 1, "and it has agreed");
    write(&client);
    pass(&client, 20 * MINUTE_S);
    assert_eq!(relays.asked(), 1, "the next time is as soon as at first");
}

#[test]
fn a_relay_that_has_lost_the_account_is_reminded_though_others_listen() {
    let (client, relays) = start("true");
    pass(&client, 2 * MINUTE_S);
    client.subscribe("");
    relays.asked();
    let look = |status: (u16, Value)| {
        relays.say(|script| script.status = Some((status.0, status.1.to_string())));
        write(&client);
        pass(&client, 2 * HOUR_S);
        relays.asked()
    };
    assert_eq!(look((200, json!({ "status": "active", "hostname": "x" }))), 0);
    assert_eq!(look((200, json!({ "status": "throttled" }))), 0);
    assert_eq!(look((200, json!({ "status": "banned" }))), 0);
    assert_eq!(look((200, json!({ "status": "offline" }))), 1);
    assert_eq!(look((200, json!({ "status": "idle" }))), 1);
    assert_eq!(look((404, json!({ "error": "HostNotFound" }))), 1);
    assert_eq!(look((400, json!({ "error": "HostNotFound" }))), 1);
    // It has missed what there was hours ago.
    assert_eq!(look((200, json!({ "status": "active", "seq": 1 }))), 1);
    assert_eq!(look((200, json!({ "status": "active", "seq": (1_i64 << 53) - 1 }))), 0);
    assert_eq!(look((200, json!({ "status": "active", "seq": i64::MAX }))), 0);
    assert_eq!(look((200, json!({ "status": "active", "seq": -1 }))), 0);
    // What it says makes no sense, or nothing.
    assert_eq!(look((500, json!({ "error": "InternalServerError" }))), 0);
    assert_eq!(look((200, json!({ "seq": "many" }))), 0);
    assert_eq!(look((200, json!([1]))), 0);
    assert_eq!(client.host.take_log(), [""; 0]);
}

#[test]
fn relays_are_checked_once_an_hour_at_most_and_only_if_there_is_news() {
    let (client, relays) = start("true");
    pass(&client, 2 * MINUTE_S);
    client.subscribe("");
    for _ in 0..24 * 6 {
        write(&client);
        pass(&client, 10 * MINUTE_S);
    }
    let checked = relays.0.borrow().checked;
    // One at once, and then one an hour.
    assert!((22..=25).contains(&checked), "{checked}");
    pass(&client, 48 * HOUR_S);
    assert!(relays.0.borrow().checked <= checked + 1);
}

#[test]
fn an_account_that_moves_in_is_made_known_when_it_is_activated() {
    let (client, relays) = start("false");
    pass(&client, 48 * HOUR_S);
    assert_eq!(relays.asked(), 0);
    client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    pass(&client, MINUTE_S);
    assert_eq!(relays.asked(), 1);
    // Again, and though somebody listens.
    client.subscribe("");
    pass(&client, HOUR_S);
    client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    pass(&client, MINUTE_S);
    assert_eq!(relays.asked(), 1);
}

#[test]
fn a_start_is_told_unless_relays_have_stayed() {
    let (client, relays) = start("true");
    pass(&client, HOUR_S);
    assert_eq!(relays.asked(), 1);
    let client = reopen(client);
    pass(&client, MINUTE_S);
    assert_eq!(relays.asked(), 1, "there is nothing new, but sockets were lost");
    let client = reopen(client);
    pass(&client, 18 * MINUTE_S);
    assert_eq!(relays.asked(), 0, "it has just been asked");
    // A host that forgets the server and keeps its sockets has lost nobody.
    pass(&client, HOUR_S);
    relays.asked();
    client.subscribe("");
    let client = reopen(client);
    pass(&client, HOUR_S);
    assert_eq!(relays.asked(), 0);
}

#[test]
fn a_request_that_is_cut_short_is_made_again() {
    let (client, relays) = start("true");
    client.host.move_clock(MINUTE_S);
    {
        let mut tending = core::pin::pin!(client.pds.run_due_work());
        let mut context = core::task::Context::from_waker(core::task::Waker::noop());
        while relays.0.borrow().asked.is_empty() {
            assert!(tending.as_mut().poll(&mut context).is_pending());
        }
    }
    assert_eq!(relays.asked(), 1);
    let client = reopen(client);
    client.subscribe("");
    pass(&client, MINUTE_S);
    write(&client);
    pass(&client, 20 * MINUTE_S);
    assert_eq!(relays.asked(), 1, "nobody knows whether it was heard");
}

#[test]
fn each_relay_is_asked_for_itself() {
    let (host, relays) = (Memory::new(7), Relays::default());
    relays.serve(&host);
    let others = ["relay.example.net", "https://second.example.net/"];
    let client = Client::with_config(host.clone(), config(&others, "true").0);
    pass(&client, MINUTE_S);
    let mut asked: Vec<_> = relays.0.borrow_mut().asked.drain(..).map(|it| it.0).collect();
    asked.sort();
    assert_eq!(asked, [RELAY, "https://second.example.net"]);
}

#[test]
fn who_looks_often_puts_nothing_off() {
    let (client, relays) = start("true");
    relays.say(|script| script.is_unreachable = true);
    pass(&client, MINUTE_S);
    assert_eq!(relays.asked(), 1);
    relays.say(|script| script.is_unreachable = false);
    client.host.move_clock(20 * MINUTE_S);
    client.host.forget_alarm();
    let client = reopen(client);
    for _ in 0..8 {
        pass(&client, 15);
        client.get_as(&client.access, "/operator/relays").json(200);
        client.post_nothing(&client.access, "com.atproto.server.activateAccount");
    }
    assert_eq!(relays.asked(), 1);
}

#[test]
fn a_clock_that_was_ahead_silences_nobody() {
    let (client, relays) = start("true");
    client.host.move_clock(400 * 24 * HOUR_S);
    pass(&client, MINUTE_S);
    assert_eq!(relays.asked(), 1);
    client.host.move_clock(-400 * 24 * HOUR_S);
    client.host.forget_alarm();
    let client = reopen(client);
    pass(&client, 2 * MINUTE_S);
    assert_eq!(relays.asked(), 1);
    pass(&client, 10 * MINUTE_S);
    assert_eq!(relays.asked(), 0);
}

#[test]
fn a_database_that_fails_for_a_while_puts_the_request_off_and_no_more() {
    for steps in 0..40 {
        let (client, relays) = start("true");
        pass(&client, HOUR_S);
        relays.asked();
        write(&client);
        client.host.move_clock(MINUTE_S);
        client.host.forget_alarm();
        client.host.fail_after(Some(steps));
        block_on(client.pds.run_due_work());
        client.host.fail_after(None);
        let asked = relays.asked();
        for _ in 0..25 {
            write(&client);
            pass(&client, MINUTE_S);
        }
        assert!(asked + relays.asked() >= 1, "after {steps} steps");
    }
}
