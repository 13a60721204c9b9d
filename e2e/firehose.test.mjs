// The event stream: its frames against the specification, and the official consumer with every
// signature checked.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MemoryBlockstore, Repo, readCar, verifyDiffCar } from "@atproto/repo";

import { follow } from "./consumer.mjs";
import { onEachHost } from "./hosts.mjs";
import { verifyCommit } from "./proofs.mjs";
import { Subscriber, lastSeq, unbroken } from "./stream.mjs";
import { latestCommit, send, signIn, writer } from "./xrpc.mjs";

const COLLECTION = "com.example.shell";

onEachHost("event stream", (server) => {
	let session;

	const signedIn = async () => (session ??= await signIn(server()));
	const records = async () => writer(server(), await signedIn());

	test("begins with #identity, #account, the first commit and its #sync", async () => {
		const subscriber = await Subscriber.open(server(), 0);
		const events = (await subscriber.count(4)).slice(0, 4);
		await subscriber.close();
		unbroken(events);
		assert.deepEqual(
			events.map(({ header }) => [header.op, header.t]),
			[
				[1, "#identity"],
				[1, "#account"],
				[1, "#commit"],
				[1, "#sync"],
			],
		);
		const [identity, account, commit, sync] = events.map(({ body }) => body);
		const { did, handle } = server();
		assert.deepEqual([identity.did, identity.handle], [did, handle]);
		assert.deepEqual([account.did, account.active, account.status], [did, true, undefined]);
		assert.deepEqual([commit.repo, commit.since, commit.ops, commit.blobs], [did, null, [], []]);
		await verifyCommit(server(), commit);
		assert.deepEqual([sync.did, sync.rev], [did, commit.rev]);
		const { blocks } = await readCar(sync.blocks);
		assert.deepEqual(blocks.cids().map(String), [String(commit.commit)]);
	});

	test("sends each write to the official consumer, live", async () => {
		const { create, put, delete: remove } = await records();
		const { events, firehose, until } = await follow(server());
		// The consumer receives nothing before it has connected.
		for (let tries = 0; events.length === 0 && tries < 500; tries += 1) {
			await create("com.example.hello", { tries });
		}
		const created = await create(COLLECTION, { colour: "white" }, "one");
		const updated = await put(COLLECTION, "one", { colour: "black" });
		const second = await put(COLLECTION, "two", { colour: "pink" });
		await remove(COLLECTION, "one");
		await until((event) => event.event === "delete");
		await firehose.destroy();

		const received = events.filter(({ collection }) => collection === COLLECTION);
		const seen = received.map(({ event, rkey, cid, record }) => [
			event,
			rkey,
			cid?.toString(),
			record,
		]);
		assert.deepEqual(seen, [
			["create", "one", created.cid, { $type: COLLECTION, colour: "white" }],
			["update", "one", updated.cid, { $type: COLLECTION, colour: "black" }],
			["create", "two", second.cid, { $type: COLLECTION, colour: "pink" }],
			["delete", "one", undefined, undefined],
		]);
		assert.ok(received.every((event) => event.did === server().did));
		const commits = [created, updated, second].map(({ commit }) => [commit.cid, commit.rev]);
		assert.deepEqual(
			received.slice(0, 3).map(({ commit, rev }) => [commit.toString(), rev]),
			commits,
		);
	});

	test("replays all events to the official consumer", async () => {
		const last = await lastSeq(server(), await signedIn());
		const all = unbroken(await (await Subscriber.open(server(), 0)).until(last));
		const { events, firehose, until } = await follow(server(), 0);
		await until((event) => event.seq === last);
		await firehose.destroy();
		assert.deepEqual(
			events.map(({ seq }) => seq),
			// The first commit has no operation.
			all.filter((_, index) => index !== 2),
		);
		const [identity] = events;
		assert.equal(identity.handle, server().handle);
		assert.equal(identity.didDocument.id, server().did);
	});

	test("loses and repeats nothing when a replay becomes live", async () => {
		const { create } = await records();
		const before = await lastSeq(server(), await signedIn());
		const writes = 48;
		const live = await Subscriber.open(server());
		const joining = [];
		for (let number = 0; number < writes; number += 1) {
			// Each reader starts at another time during the writes.
			if (number % 6 === 0) joining.push(Subscriber.open(server(), (number / 6) % 2 ? before : 0));
			await create(COLLECTION, { number });
		}
		const last = await lastSeq(server(), await signedIn());
		const expected = unbroken(await (await Subscriber.open(server(), 0)).until(last));
		const after = (cursor) => expected.filter((seq) => seq > cursor);
		assert.equal(after(before).length, writes + 1);
		await live.until(last);
		assert.deepEqual(
			live.events.map(({ body }) => body.seq),
			after(before),
		);
		for (const [index, opening] of joining.entries()) {
			const reader = await opening;
			const events = await reader.until(last);
			assert.deepEqual(
				events.map(({ body }) => body.seq),
				after(index % 2 ? before : 0),
				`reader ${index}`,
			);
			await reader.close();
		}
		await live.close();
	});

	test("sends every reader the same bytes", async () => {
		const { create } = await records();
		const before = await lastSeq(server(), await signedIn());
		const readers = [await Subscriber.open(server()), await Subscriber.open(server(), before)];
		for (let number = 0; number < 5; number += 1) await create(COLLECTION, { again: number });
		readers.push(await Subscriber.open(server(), before));
		for (const reader of readers) {
			await reader.count(5);
			assert.equal(
				Buffer.compare(Buffer.concat(reader.frames), Buffer.concat(readers[0].frames)),
				0,
			);
			await reader.close();
		}
	});

	test("proves each commit by itself, and their operations add up to the repository", async () => {
		await churn(await records());
		const last = await lastSeq(server(), await signedIn());
		const subscriber = await Subscriber.open(server(), 0);
		const events = await subscriber.until(last);
		await subscriber.close();
		const commits = events.filter(({ header }) => header.t === "#commit").map(({ body }) => body);

		const storage = new MemoryBlockstore();
		let repo = null;
		for (const commit of commits) {
			assert.deepEqual([commit.tooBig, commit.rebase, commit.blobs], [false, false, []]);
			assert.equal(commit.repo, server().did);
			assert.equal(commit.since, repo?.commit.rev ?? null);
			assert.equal(String(commit.prevData ?? null), String(repo?.commit.data ?? null));
			await verifyCommit(server(), commit);
			const { did, publicKey } = server();
			const diff = await verifyDiffCar(repo, commit.blocks, did, publicKey);
			assert.deepEqual(diff.writes.map(found), commit.ops.map(announced));
			await storage.applyCommit(diff.commit);
			repo = await Repo.load(storage);
		}
		assert.deepEqual({ cid: String(repo.cid), rev: repo.commit.rev }, await latestCommit(server()));
	});

	test("refuses a cursor from the future", async () => {
		const subscriber = await Subscriber.open(server(), Date.now() + 1_000_000);
		assert.equal(await subscriber.end(), 1008);
		assert.deepEqual(subscriber.events, [
			{
				header: { op: -1 },
				body: { error: "FutureCursor", message: "Cursor in the future." },
			},
		]);
	});

	test("accepts the last event as a cursor and sends only later events", async () => {
		const last = await lastSeq(server(), await signedIn());
		const subscriber = await Subscriber.open(server(), last);
		await (await records()).create(COLLECTION, { comes: "next" });
		const [first] = await subscriber.until(last + 1);
		await subscriber.close();
		assert.ok(first.body.seq > last);
		assert.equal(subscriber.frames.length, 1);
	});

	test("requires a WebSocket upgrade", async () => {
		const path = "/xrpc/com.atproto.sync.subscribeRepos";
		// An empty cursor counts as absent.
		for (const query of ["", "?cursor=", "?cursor"]) {
			assert.equal((await send(server(), `${path}${query}`)).status, 426);
		}
		for (const cursor of ["abc", "-1", "1.5"]) {
			const answer = await send(server(), `${path}?cursor=${cursor}`);
			assert.equal(answer.status, 400, `cursor=${cursor}`);
			assert.equal(answer.json.error, "InvalidRequest");
		}
	});
});

/** Creates, updates and deletes enough records for trees of several levels. */
async function churn({ create, put, delete: remove }) {
	for (let number = 0; number < CHURNED; number += 1) {
		await create("com.example.churn", { number }, `key${number}`);
	}
	for (let number = 0; number < CHURNED; number += 3) {
		await put("com.example.churn", `key${number}`, { number, again: true });
	}
	for (let number = CHURNED - 1; number >= 0; number -= 2) {
		await remove("com.example.churn", `key${number}`);
	}
}

/** Returns a write in the form of those in events, from a difference of `@atproto/repo`. */
function found({ action, collection, rkey, cid }) {
	return [action, `${collection}/${rkey}`, action === "delete" ? null : String(cid)];
}

/** Returns an operation of an event in a comparable form. */
function announced({ action, path, cid }) {
	return [action, path, cid && String(cid)];
}

/** The number of records, enough for a tree of several levels. */
const CHURNED = 24;
