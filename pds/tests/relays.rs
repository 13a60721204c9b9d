//! Relays are reminded of the account, and not more often than need be.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use core::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use client::{Client, NOTE, PASSWORD, a_note};
use http::{Request, Response};
use nacre_pds::body::Body;
use nacre_pds::config::{Config, new_account};
use nacre_pds::dev::{Memory, block_on};
use nacre_pds::host::HttpError;
use serde_json::{Value, json};

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const RELAY: &str = "https://relay.example.net";

/// The network's side: relays that say what they are told to, and what they were asked.
#[derive(Clone, Default)]
struct Relays(Rc<RefCell<Script>>);

#[derive(Default)]
struct Script {
    /// When each request to crawl came, by the server's clock.
    asked: Vec<(String, i64)>,
    /// What `requestCrawl` answers: 200 if nothing is said.
    crawl: Option<(u16, &'static str)>,
    /// What `getHostStatus` answers.
    status: Option<(u16, String)>,
    /// How often it was asked that.
    checked: usize,
    is_unreachable: bool,
}

impl Relays {
    fn serve(&self, host: &Memory) {
        let (script, clock) = (Rc::clone(&self.0), host.clone());
        host.serve_others(move |request: Request<Bytes>| {
            let mut script = script.borrow_mut();
            let origin = format!("https://{}", request.uri().host().unwrap());
            let agent = request.headers()["user-agent"].to_str().unwrap();
            assert!(agent.starts_with("nacre/"));
            let (status, body) = match (request.method().as_str(), request.uri().path()) {
                ("POST", "/xrpc/com.atproto.sync.requestCrawl") => {
                    assert_eq!(request.headers()["content-type"], "application/json");
                    let input: Value = serde_json::from_slice(request.body()).unwrap();
                    assert_eq!(input, json!({ "hostname": "pds.example.org" }));
                    script.asked.push((origin, clock.now_s()));
                    script.crawl.map_or((200, String::new()), |(code, text)| (code, text.into()))
                }
                ("GET", "/xrpc/com.atproto.sync.getHostStatus") => {
                    assert_eq!(request.uri().query(), Some("hostname=pds.example.org"));
                    script.checked += 1;
                    script
                        .status
                        .clone()
                        .unwrap_or_else(|| (200, json!({ "status": "active" }).to_string()))
                }
                unknown => panic!("{unknown:?}"),
            };
            if script.is_unreachable {
                return Err(HttpError::TimedOut);
            }
            Ok(Response::builder().status(status).body(Bytes::from(body)).unwrap())
        });
    }

    /// Returns how many requests to crawl there have been since the last look.
    fn asked(&self) -> usize {
        self.0.borrow_mut().asked.drain(..).count()
    }

    fn say(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.0.borrow_mut());
    }
}

/// Returns a configuration and the operator's token, which opens all and does not expire.
fn config(relays: &[&str], initial_active: &'static str) -> (Config, String) {
    let vars = new_account("pds.example.org", "alice.test", PASSWORD, &*Memory::new(1).host().rng)
        .unwrap();
    let relays = relays.join(",");
    let var = |name: &str| match name {
        "RELAYS" => Some(relays.clone()),
        "INITIAL_ACTIVE" => Some(initial_active.to_owned()),
        name => vars.iter().find(|(known, _)| *known == name).map(|it| it.1.clone()),
    };
    (Config::from_vars(var).unwrap(), var("AUTH_TOKEN").unwrap())
}

fn start(initial_active: &'static str) -> (Client, Relays) {
    let (host, relays) = (Memory::new(7), Relays::default());
    relays.serve(&host);
    let (config, access) = config(&[RELAY], initial_active);
    (Client { access, ..Client::with_config(host, config) }, relays)
}

/// Lets time pass, and the alarm go off whenever it is due.
fn pass(client: &Client, seconds: i64) {
    let end_s = client.host.now_s() + seconds;
    loop {
        let due_s = client.host.alarm_s().filter(|due_s| *due_s <= end_s);
        client
            .host
            .move_clock(due_s.unwrap_or(end_s).max(client.host.now_s()) - client.host.now_s());
        if due_s.is_none() {
            return;
        }
        client.host.forget_alarm();
        block_on(client.pds.tend());
    }
}

/// Writes a record, but not in the same second as what was before.
fn write(client: &Client) {
    client.host.move_clock(2);
    let record = a_note(&client.host.now_s().to_string());
    let input =
        json!({ "repo": "alice.test", "collection": NOTE, "rkey": "self", "record": record });
    client.post("com.atproto.repo.putRecord", &input).json(200);
}

/// Starts the server anew on the same database.
fn reopen(client: Client) -> Client {
    let Client { host, access, .. } = client;
    let (config, _) = config(&[RELAY], "true");
    Client { access, ..Client::with_config(host, config) }
}

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
    assert_eq!(log, [format!("{RELAY} was asked to crawl: no answer in time")], "once");
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
        pass(&client, 7 * HOUR_S);
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
fn relays_are_checked_four_times_a_day_at_most_and_only_if_there_is_news() {
    let (client, relays) = start("true");
    pass(&client, 2 * MINUTE_S);
    client.subscribe("");
    for _ in 0..24 * 6 {
        write(&client);
        pass(&client, 10 * MINUTE_S);
    }
    let checked = relays.0.borrow().checked;
    assert!((4..=5).contains(&checked), "{checked}");
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
        let mut tending = core::pin::pin!(client.pds.tend());
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
fn the_operator_sees_how_things_stand() {
    let (client, relays) = start("true");
    relays.say(|script| script.crawl = Some((429, "{\"error\":\"Slow\\u001bDown\"}")));
    pass(&client, MINUTE_S);
    let look = || client.get_as(&client.access, "/operator/relays").json(200);
    let seen = look();
    let relay = &seen["relays"][0];
    assert_eq!(relay["url"], RELAY);
    assert_eq!(relay["askError"], "429 Too Many Requests: SlowDown");
    assert_eq!(relay["asked"], "2026-01-01T00:01:00.000Z");
    assert_eq!(relay["nextAsk"], "2026-01-01T00:21:00.000Z");
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
