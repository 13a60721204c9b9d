//! The event stream, as a subscriber sees it.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::{Client, DID, NOTE, PASSWORD, a_note, key, read_car};
use nacre_commit::{Action, Commit, Op, invert};
use nacre_firehose::Frame;
use nacre_pds::Reply;
use nacre_pds::dev::{Memory, account};
use nacre_pds::host::Sockets;

/// Returns the positions of events in the log, from 1. The clock stands still, so sequence numbers
/// are consecutive.
fn seqs(frames: &[Vec<u8>]) -> Vec<i64> {
    frames.iter().map(|frame| Frame::decode(frame).unwrap().seq().unwrap() - BEFORE).collect()
}

/// One less than the first sequence number, which is the account's creation time in milliseconds.
const BEFORE: i64 = 1_767_225_599_999;

#[test]
fn new_account_emits_identity_account_commit_and_sync() {
    let client = Client::new();
    let sent = client.sent(client.subscribe("cursor=0"));
    let frames: Vec<_> = sent.messages.iter().map(|m| Frame::decode(m).unwrap()).collect();
    let [
        Frame::Identity(identity),
        Frame::Account(account),
        Frame::Commit(commit),
        Frame::Sync(sync),
    ] = &frames[..]
    else {
        panic!("{frames:?}")
    };
    assert_eq!((identity.did, identity.handle), (DID, Some("alice.test")));
    assert_eq!((account.did, account.active, account.status), (DID, true, None));
    assert_eq!((commit.since, commit.prev_data, commit.ops.len()), (None, None, 0));
    let (root, blocks) = read_car(sync.blocks);
    assert_eq!((root.to_string(), blocks.len()), (client.head().0, 1));
    assert_eq!(seqs(&sent.messages), [1, 2, 3, 4]);
    assert_eq!(commit.time, "2026-01-01T00:00:00.000Z");
}

#[test]
fn inactive_new_account_emits_and_serves_nothing() {
    let host = Memory::new(1);
    let mut config = account(&host, PASSWORD);
    config.initial_active = false;
    let mut client = Client::with_config(host, config);
    client.sign_in();
    assert_eq!(client.sent(client.subscribe("cursor=0")).messages.len(), 0);
    for method in ["getRepo", "getLatestCommit"] {
        client.query(&format!("com.atproto.sync.{method}"), &format!("did={DID}")).refuses(
            400,
            "RepoDeactivated",
            &format!("Repo has been deactivated: {DID}"),
        );
        let path = format!("/xrpc/com.atproto.sync.{method}?did={DID}");
        let token = Some(client.access.as_str());
        let body = nacre_pds::body::Body::Empty;
        assert_eq!(client.send(client::request("GET", &path, token, body)).status, 200);
    }
    client.create(NOTE, "k", a_note("x")).refuses(
        401,
        "AccountDeactivated",
        "Account is deactivated",
    );
    client.query("com.atproto.identity.resolveHandle", "handle=alice.test").refuses(
        400,
        "HandleNotFound",
        "Unable to resolve handle",
    );
    let status = client.query("com.atproto.sync.getRepoStatus", &format!("did={DID}")).json(200);
    assert_eq!(status, serde_json::json!({ "did": DID, "active": false, "status": "deactivated" }));
}

#[test]
fn every_commit_verifies_and_inverts_to_its_predecessor() {
    let client = Client::new();
    let socket = client.subscribe("");
    let mut data = {
        let sent = client.sent(client.subscribe("cursor=0"));
        let Frame::Sync(sync) = Frame::decode(&sent.messages[3]).unwrap() else { panic!() };
        let (root, blocks) = read_car(sync.blocks);
        Commit::decode(&blocks[&root]).unwrap().data
    };
    for n in 0..60 {
        client.create(NOTE, &format!("key{n}"), a_note(&n.to_string())).json(200);
        if n % 3 == 0 {
            client.put(NOTE, &format!("key{}", n / 2), a_note("changed")).json(200);
        }
        if n % 4 == 0 {
            client.delete(NOTE, &format!("key{}", n / 3)).json(200);
        }
    }
    let key = key(&client);
    let mut rev = None;
    let sent = client.sent(socket);
    assert!(sent.messages.len() > 90);
    for frame in &sent.messages {
        let Frame::Commit(event) = Frame::decode(frame).unwrap() else { panic!() };
        let (root, blocks) = read_car(event.blocks);
        assert_eq!(root, event.commit);
        let commit = Commit::decode(&blocks[&root]).unwrap();
        commit.verify(&key).unwrap();
        assert_eq!((commit.did.as_str(), commit.rev), (DID, event.rev));
        assert!(rev.is_none_or(|rev| event.since == Some(rev) && rev < event.rev));
        rev = Some(event.rev);
        let ops: Vec<_> = event
            .ops
            .iter()
            .map(|op| Op {
                action: op.action,
                path: op.path.to_owned(),
                cid: op.cid,
                prev: op.prev,
            })
            .collect();
        for op in &ops {
            assert_eq!(op.prev.is_none(), op.action == Action::Create);
            assert!(op.cid.is_none_or(|cid| blocks.contains_key(&cid)));
        }
        assert_eq!(event.prev_data, Some(data));
        assert_eq!(invert(&blocks, commit.data, &ops).unwrap(), data);
        data = commit.data;
    }
}

#[test]
fn replay_from_any_cursor_sends_each_later_event_once_and_in_order() {
    let client = Client::new();
    for n in 0..40 {
        client.create(NOTE, &format!("early{n}"), a_note("x")).json(200);
    }
    let cursors = [0, 1, 3, 15, 16, 17, 31, 32, 43, 44];
    let sockets = cursors.map(|cursor| client.subscribe(&format!("cursor={}", BEFORE + cursor)));
    let live = client.subscribe("");
    for n in 0..5 {
        client.create(NOTE, &format!("late{n}"), a_note("x")).json(200);
    }
    let all = client.sent(sockets[0]).messages;
    for (socket, cursor) in sockets.iter().zip(cursors) {
        let sent = client.sent(*socket);
        assert_eq!(seqs(&sent.messages), (cursor + 1..=49).collect::<Vec<_>>());
        assert_eq!(sent.messages[..], all[usize::try_from(cursor).unwrap()..]);
        assert_eq!(sent.closed, None);
    }
    assert_eq!(seqs(&client.sent(live).messages), [45, 46, 47, 48, 49]);
}

#[test]
fn events_before_and_during_a_replay_are_neither_lost_nor_repeated() {
    let client = Client::new();
    let big = "x".repeat(100_000);
    let write = |n: usize| {
        client.create(NOTE, &format!("k{n}"), a_note(&big)).json(200);
    };
    (0..30).for_each(write);
    for params in ["cursor=0", ""] {
        let subscription = client.request_subscription(params);
        // Writes before the replay starts and in each of its pauses.
        let mut written = usize::try_from(client.row_counts()["record"]).unwrap();
        let first = if params.is_empty() { i64::try_from(written).unwrap() + 5 } else { 1 };
        write(written);
        written += 1;
        let socket = client.host.sockets().open();
        let mut replay = core::pin::pin!(client.pds.subscribe(socket, subscription));
        let mut context = core::task::Context::from_waker(core::task::Waker::noop());
        let mut pauses = 0;
        while replay.as_mut().poll(&mut context).is_pending() {
            pauses += 1;
            if pauses < 8 {
                write(written);
                written += 1;
            }
        }
        assert_eq!(pauses > 8, !params.is_empty());
        write(written);
        written += 1;
        let last = i64::try_from(written).unwrap() + 4;
        assert_eq!(seqs(&client.sent(socket).messages), (first..=last).collect::<Vec<_>>());
    }
}

#[test]
fn replay_resumes_after_the_server_is_evicted() {
    let client = Client::new();
    let big = "x".repeat(100_000);
    let write = |client: &Client, n: usize| {
        client.create(NOTE, &format!("k{n}"), a_note(&big)).json(200);
    };
    (0..20).for_each(|n| write(&client, n));
    let subscription = client.request_subscription("cursor=0");
    let socket = client.host.sockets().open();
    {
        let mut replay = core::pin::pin!(client.pds.subscribe(socket, subscription));
        let mut context = core::task::Context::from_waker(core::task::Waker::noop());
        assert!(replay.as_mut().poll(&mut context).is_pending());
    }
    let sent = client.sent(socket).messages.len();
    assert!((1..24).contains(&sent), "{sent}");
    // The sockets stay open, as when a Durable Object hibernates.
    let config = account(&Memory::new(7), PASSWORD);
    let again = Client::with_config(client.host.clone(), config);
    let again = Client { access: client.access.clone(), ..again };
    write(&again, 20);
    assert_eq!(client.sent(socket).messages.len(), sent, "the replay has not resumed yet");
    assert!(client.host.alarm_s().unwrap() <= client.host.now_s() + 60);
    nacre_pds::dev::block_on(again.pds.run_due_work());
    write(&again, 21);
    assert_eq!(seqs(&client.sent(socket).messages), (1..=26).collect::<Vec<_>>());
}

#[test]
fn replay_sends_one_large_event_per_turn() {
    let client = Client::new();
    for n in 0..6 {
        client.create(NOTE, &format!("k{n}"), a_note(&"x".repeat(900_000))).json(200);
    }
    let subscription = client.request_subscription(&format!("cursor={}", BEFORE + 4));
    let socket = client.host.sockets().open();
    let mut replay = core::pin::pin!(client.pds.subscribe(socket, subscription));
    let mut context = core::task::Context::from_waker(core::task::Waker::noop());
    for turn in 1..=6 {
        assert!(replay.as_mut().poll(&mut context).is_pending());
        assert_eq!(client.sent(socket).messages.len(), turn);
    }
    assert!(replay.as_mut().poll(&mut context).is_ready());
}

#[test]
fn subscriber_257_is_refused() {
    let client = Client::new();
    let sockets: Vec<_> = (0..256).map(|_| client.subscribe("")).collect();
    client.query("com.atproto.sync.subscribeRepos", "").refuses(
        503,
        "TooManySubscribers",
        "subscriber limit reached",
    );
    client.host.sockets().close(sockets[0], None, 1000);
    client.subscribe("");
}

#[test]
fn subscriptions_are_limited_to_twenty_per_address() {
    let client = Client::new();
    let path = "/xrpc/com.atproto.sync.subscribeRepos";
    let upgrade = |peer: &str| {
        let request = client::request("GET", path, None, nacre_pds::body::Body::Empty);
        nacre_pds::dev::block_on(client.pds.handle(request, Some(peer.parse().unwrap())))
    };
    let subscribe = |peer: &str| {
        let Reply::Upgrade(subscription) = upgrade(peer) else { panic!("{peer} is refused") };
        let socket = client.host.sockets().open();
        nacre_pds::dev::block_on(client.pds.subscribe(socket, subscription));
        socket
    };
    // All addresses of one IPv6 network count as one.
    for network in ["2001:db8:1:2::", "203.0.113.7"] {
        let address = |n: usize| {
            if network.contains('.') { network.to_owned() } else { format!("{network}{n:x}") }
        };
        let sockets: Vec<_> = (1..=20).map(|n| subscribe(&address(n))).collect();
        let Reply::Response(refused) = upgrade(&address(21)) else { panic!("{network}") };
        assert_eq!(refused.status(), 429);
        client.host.sockets().close(sockets[3], None, 1000);
        subscribe(&address(22));
    }
    subscribe("2001:db8:1:3::1");
    // A subscription that was accepted below the limit may start above it.
    let Reply::Upgrade(early) = upgrade("198.51.100.1") else { panic!("refused") };
    for _ in 0..20 {
        subscribe("198.51.100.1");
    }
    let socket = client.host.sockets().open();
    nacre_pds::dev::block_on(client.pds.subscribe(socket, early));
    assert_eq!(client.sent(socket).closed, Some(1008));
    // Behind a proxy, every connection comes from this machine.
    for _ in 0..30 {
        subscribe("127.0.0.1");
    }
}

#[test]
fn future_cursor_gets_an_error_frame_and_is_closed() {
    let client = Client::new();
    let sent = client.sent(client.subscribe(&format!("cursor={}", BEFORE + 5)));
    let frame = Frame::decode(&sent.messages[0]).unwrap();
    let Frame::Error(error) = frame else { panic!("{frame:?}") };
    assert_eq!((error.error, error.message), ("FutureCursor", Some("Cursor in the future.")));
    assert_eq!((sent.messages.len(), sent.closed), (1, Some(1008)));
    assert_eq!(client.sent(client.subscribe(&format!("cursor={}", BEFORE + 4))).closed, None);
}

#[test]
fn stalled_subscriber_is_closed_without_affecting_others() {
    let client = Client::new();
    let (slow, quick) = (client.subscribe(""), client.subscribe(""));
    client.host.sockets().stall(slow);
    client.create(NOTE, "a", a_note("x")).json(200);
    client.create(NOTE, "b", a_note("x")).json(200);
    let sent = client.sent(slow);
    let Frame::Error(error) = Frame::decode(&sent.messages[0]).unwrap() else { panic!() };
    assert_eq!(error.error, "ConsumerTooSlow");
    assert_eq!((sent.messages.len(), sent.closed), (1, Some(1008)));
    assert_eq!(client.sent(quick).messages.len(), 2);
}

#[test]
fn cursor_must_be_a_non_negative_integer() {
    let client = Client::new();
    for (cursor, message) in
        [("-1", "cursor can not be less than 0"), ("x", "cursor must be an integer")]
    {
        let method = "com.atproto.sync.subscribeRepos";
        let answer = client.query(method, &format!("cursor={cursor}"));
        answer.refuses(400, "InvalidRequest", message);
    }
}
