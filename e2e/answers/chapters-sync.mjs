// Chapters about sync: exports, proofs and the event stream.

import { setTimeout as sleep } from "node:timers/promises";

import { write } from "../cases.mjs";
import { NOTE, OLD_TID, OTHER_CID, POST, PROFILE, RAW_CID, THEN } from "./routes.mjs";

const SUBSCRIBE = "/xrpc/com.atproto.sync.subscribeRepos";

/** Exports, blocks and proofs. @param {import('./scene.mjs').Scene} scene */
export async function sync(scene) {
	await scene.signIn();
	const { did } = scene.server;
	for (const method of [
		"getRepo",
		"getCheckout",
		"getHead",
		"getLatestCommit",
		"getRepoStatus",
		"listBlobs",
	]) {
		await scene.sync(`${method} of an empty repository`, method);
	}
	await scene.sync("the proof that nothing is there", "getRecord", {
		collection: NOTE,
		rkey: "none",
	});
	const seed = Array.from({ length: 60 }, (_, n) => write("create", NOTE, `key${n}`, { n }));
	await scene.apply("sixty records", [
		...seed,
		write("create", PROFILE, "self", { displayName: "Alice" }),
	]);
	const before = (await scene.sync("where it stands", "getLatestCommit")).expect();
	await scene.apply("changes", [
		write("update", NOTE, "key7", { n: "seven" }),
		write("delete", NOTE, "key8"),
		write("create", POST, OLD_TID, { text: "hello", createdAt: THEN }),
		write("create", NOTE, "twin1", { is: "twin" }),
		write("create", NOTE, "twin2", { is: "twin" }),
	]);
	const head = (await scene.sync("where it stands then", "getLatestCommit")).expect();
	await scene.sync("the repository", "getRepo");
	await scene.sync("the repository with a token", "getRepo", {}, scene.owner);
	await scene.sync("the repository by its old name", "getCheckout");
	await scene.sync(
		"the repository in gzip",
		"getRepo",
		{},
		{ headers: { "accept-encoding": "gzip" } },
	);
	const path = `/xrpc/com.atproto.sync.getRepo?did=${did}`;
	await scene.send("HEAD of the repository", "HEAD", path);
	await scene.send("a part of the repository", "GET", path, { headers: { range: "bytes=0-9" } });
	await scene.sync("what is newer than the first changes", "getRepo", { since: before.rev });
	await scene.sync("what is newer than the last commit", "getRepo", { since: head.rev });
	await scene.sync("what is newer than long ago", "getRepo", { since: OLD_TID });
	await scene.sync("what is newer than the far future", "getRepo", { since: "izzzzzzzzzzzz" });
	for (const [collection, rkey] of [
		[NOTE, "key0"],
		[NOTE, "key7"],
		[NOTE, "key8"],
		[NOTE, "twin1"],
		[NOTE, "0"],
		[NOTE, "zzz"],
		[POST, OLD_TID],
		[PROFILE, "self"],
		["com.example.none", "x"],
		["zzz.example.none", "x"],
	]) {
		await scene.sync(`the proof of ${collection}/${rkey}`, "getRecord", { collection, rkey });
	}
	await scene.sync("the proof in the head", "getRecord", {
		collection: NOTE,
		rkey: "key0",
		commit: head.cid,
	});
	await scene.sync("the proof in an older commit", "getRecord", {
		collection: NOTE,
		rkey: "key0",
		commit: before.cid,
	});
	const cidOf = async (rkey) =>
		(
			await scene.query(`record ${rkey}`, "com.atproto.repo.getRecord", {
				repo: did,
				collection: NOTE,
				rkey,
			})
		).expect().cid;
	const [key0, key9, twin] = [await cidOf("key0"), await cidOf("key9"), await cidOf("twin1")];
	const blocks = (name, ...cids) =>
		scene.sync(
			name,
			"getBlocks",
			new URLSearchParams([["did", did], ...cids.map((cid) => ["cids", cid])]).toString(),
		);
	await blocks("a record's block", key0);
	await blocks("a record's block twice", key0, key0);
	await blocks("two records' blocks", key9, key0);
	await blocks("the commit's block", head.cid);
	await blocks("an older commit's block", before.cid);
	await blocks("the block of twins", twin);
	await blocks("a block that is not here", OTHER_CID);
	await blocks("a blob's block", RAW_CID);
	await blocks("blocks of which two are not here", key0, OTHER_CID, RAW_CID);
	await blocks("the commit and a record", head.cid, key0);
	await blocks("what is no CID", key0, "nothing");
	await blocks("a hundred times the same", ...Array(100).fill(key0));
	await scene.delete("the first twin goes", NOTE, "twin1");
	await blocks("the block of the other twin", twin);
	await scene.delete("the second twin goes", NOTE, "twin2");
	await blocks("the block of no twin", twin);
	await scene.sync("the head by its old name", "getHead");
	await scene.sync("the status", "getRepoStatus");
	await scene.query("all repositories", "com.atproto.sync.listRepos");
	await scene.query("all repositories with a limit", "com.atproto.sync.listRepos", { limit: "1" });
	for (const method of ["requestCrawl", "notifyOfUpdate"]) {
		const nsid = `com.atproto.sync.${method}`;
		for (const hostname of ["pds.test", "", "https://pds.test/", "x".repeat(5_000)]) {
			await scene.procedure(
				`${method} of ${hostname.slice(0, 30) || "nothing"} ${hostname.length}`,
				nsid,
				{ hostname },
			);
		}
	}
	await scene.query(
		"the status of the account",
		"com.atproto.server.checkAccountStatus",
		{},
		scene.owner,
	);
	await scene.query(
		"the same by another name",
		"com.atproto.server.getAccountStatus",
		{},
		scene.owner,
	);
}

/** The event stream: cursors, live events and invalid subscriptions. */
export async function stream(scene) {
	await scene.signIn();
	const upgrade = {
		connection: "Upgrade",
		upgrade: "websocket",
		"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
		"sec-websocket-version": "13",
	};
	await scene.send("an upgrade", "GET", SUBSCRIBE, { headers: upgrade });
	await scene.send("an upgrade with an empty cursor", "GET", `${SUBSCRIBE}?cursor=`, {
		headers: upgrade,
	});
	await scene.send("an upgrade with a bad cursor", "GET", `${SUBSCRIBE}?cursor=abc`, {
		headers: upgrade,
	});
	await scene.send("an upgrade with two cursors", "GET", `${SUBSCRIBE}?cursor=1&cursor=2`, {
		headers: upgrade,
	});
	await scene.send("an upgrade by POST", "POST", SUBSCRIBE, { headers: upgrade });
	await scene.send("an upgrade with a bad token", "GET", SUBSCRIBE, {
		headers: { ...upgrade, authorization: "Bearer abc" },
	});
	await scene.send(
		"an upgrade to another method",
		"GET",
		"/xrpc/com.atproto.server.describeServer",
		{ headers: upgrade },
	);
	await scene.send("no upgrade", "GET", SUBSCRIBE);
	await scene.send("no upgrade with a cursor", "GET", `${SUBSCRIBE}?cursor=0`);
	await scene.send("HEAD", "HEAD", SUBSCRIBE);

	const live = await scene.subscribe();
	const first = await scene.subscribe(0);
	await scene.recordFrames("the first events", first, 4);
	await scene.put("a record", NOTE, "a", { n: 1 });
	await scene.put("the same record", NOTE, "a", { n: 1 });
	await scene.put("another record", NOTE, "a", { n: 2 });
	await scene.apply("a batch", [write("create", NOTE, "b", {}), write("delete", NOTE, "a")]);
	const token = await scene.variable("AUTH_TOKEN");
	await scene.procedure("no event", "com.atproto.server.getSession", undefined, scene.owner);
	const emitted = await scene.send("an identity", "POST", "/operator/emit-identity", { token });
	await scene.procedure(
		"an activation of an active account",
		"com.atproto.server.activateAccount",
		undefined,
		scene.owner,
	);
	await scene.recordFrames("what is live", live, 7);
	const { seq } = emitted.expect();
	await scene.recordFrames("what follows the identity", await scene.subscribe(seq), 3);
	const [{ body: last }] = (await (await scene.subscribe(seq)).count(3)).slice(-1);
	const after = await scene.subscribe(last.seq);
	await scene.put("a record at the end", NOTE, "c", {});
	await scene.recordFrames("what follows the last event", after, 1);
	await scene.recordFrames("a cursor one ahead", await scene.subscribe(last.seq + 1_000_000));
	await scene.recordFrames("a cursor far ahead", await scene.subscribe(Number.MAX_SAFE_INTEGER));
	await scene.recordFrames("a cursor of long ago", await scene.subscribe(1), 12);
	await scene.recordFrames("a large event comes", await largeEvent(scene), 1);
}

/** A log that has been pruned. */
export async function retention(scene) {
	await scene.restart(() => scene.editVars((text) => `${text}EVENT_RETENTION_MIB=1\n`));
	await scene.signIn();
	const path = "/xrpc/com.atproto.repo.putRecord";
	for (let n = 0; n < 4; n += 1) {
		const record = { text: String(n).repeat(500_000) };
		const json = { repo: scene.server.did, collection: NOTE, rkey: `large${n}`, record };
		(await scene.sendUnrecorded("POST", path, { json, ...scene.owner })).expect();
	}
	// The native host runs due work at its start. A test route makes an object run it.
	if (scene.host === "workerd") await scene.sendUnrecorded("GET", "/__test/run-due-work");
	else await scene.restart();
	for (let tries = 0; tries < 100; tries += 1) {
		const subscriber = await scene.subscribe(1);
		const [first] = await subscriber.count(1);
		const isPruned = first.header.t === "#info";
		if (isPruned) return scene.recordFrames("a cursor of before", subscriber, 2);
		await subscriber.close();
		await sleep(100);
	}
	throw new Error("the log was not pruned");
}

/** As many subscribers as the limit allows, and one more. */
export async function subscriberLimit(scene) {
	const subscribers = [];
	for (let n = 0; n < MAX_SUBSCRIBERS; n += 1) subscribers.push(await scene.subscribe());
	const headers = {
		connection: "Upgrade",
		upgrade: "websocket",
		"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
		"sec-websocket-version": "13",
	};
	await scene.send("one more subscriber", "GET", SUBSCRIBE, { headers });
	await scene.send("one more by a cursor", "GET", `${SUBSCRIBE}?cursor=0`, { headers });
	await scene.send("one more without an upgrade", "GET", SUBSCRIBE);
	await scene.query("another request", "com.atproto.server.describeServer");
	await scene.send("the operator's view", "GET", "/operator/relays", {
		token: await scene.variable("AUTH_TOKEN"),
	});
	for (const subscriber of subscribers) await subscriber.close();
}

async function largeEvent(scene) {
	const subscriber = await scene.subscribe();
	await scene.put("a large record", NOTE, "large", { text: "x".repeat(900_000) });
	return subscriber;
}

const MAX_SUBSCRIBERS = 256;
