// Acknowledged writes and sent events survive any end of the server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { verifyRepoCar } from "@atproto/repo";

import { onEachHost } from "./hosts.mjs";
import { Random } from "./random.mjs";
import { Subscriber, lastSeq, unbroken } from "./stream.mjs";
import { exportRepo, latestCommit, procedure, query, signIn, writer } from "./xrpc.mjs";

const COLLECTION = "com.example.burst";
const KILLS = 20;
const SEED = 20_261_126;

onEachHost("durability", (server) => {
	/** The acknowledged records: key to CID. */
	const acknowledged = new Map();
	/** The frames that any subscriber received: seq to bytes. */
	const seen = new Map();
	let session;

	/**
	 * Writes with several concurrent writers, and ends the server after some acknowledgements while
	 * more writes are in flight.
	 *
	 * @param {string} name
	 * @param {number} writes
	 * @param {() => Promise<void>} end
	 */
	async function burst(name, writes, end) {
		const subscriber = await Subscriber.open(server());
		const { create } = writer(server(), session);
		let ended;
		let count = 0;
		const writeOn = async (id) => {
			for (let number = 0; number < writes; number += 1) {
				const key = `${name}-${id}-${number}`;
				try {
					acknowledged.set(key, (await create(COLLECTION, { key }, key)).cid);
				} catch (error) {
					// Only the end of the server may interrupt a request.
					if (!ended) throw error;
					return;
				}
				count += 1;
				if (count === writes) ended = end();
			}
		};
		await Promise.all([0, 1, 2].map(writeOn));
		await ended;
		await subscriber.end();
		subscriber.events.forEach(({ body }, index) => seen.set(body.seq, subscriber.frames[index]));
	}

	/** Checks that all acknowledged records and sent frames are still there. */
	async function check() {
		const { did, publicKey } = server();
		const { creates, commit } = await verifyRepoCar(await exportRepo(server()), did, publicKey);
		assert.deepEqual({ cid: String(commit.cid), rev: commit.rev }, await latestCommit(server()));
		const kept = new Map(creates.map(({ rkey, cid }) => [rkey, String(cid)]));
		assert.ok(acknowledged.size > 0 && seen.size > 0);
		for (const [key, cid] of acknowledged) assert.equal(kept.get(key), cid, key);

		const last = await lastSeq(server(), session);
		const subscriber = await Subscriber.open(server(), 0);
		await subscriber.until(last);
		await subscriber.close();
		unbroken(subscriber.events);
		subscriber.events.forEach(({ body }, index) => {
			const before = seen.get(body.seq);
			if (before) assert.equal(Buffer.compare(before, subscriber.frames[index]), 0);
		});
		const replayed = new Set(subscriber.events.map(({ body }) => body.seq));
		for (const seq of seen.keys()) assert.ok(replayed.has(seq), String(seq));
	}

	test("keeps acknowledged writes when it is killed repeatedly", async () => {
		session = await signIn(server());
		const random = new Random(SEED);
		let expected = 0;
		for (let round = 0; round < KILLS; round += 1) {
			const writes = 1 + random.below(30);
			expected += writes;
			await burst(`killed${round}`, writes, () => server().kill());
			await server().start();
			await check();
		}
		assert.ok(acknowledged.size >= expected);
	});

	test("keeps acknowledged writes when it is stopped", async () => {
		await burst("stopped", 25, () => server().stop());
		await server().start();
		await check();
	});

	test("keeps identity, head and sessions across a restart", async () => {
		const { did, handle, password, publicKey, url } = server();
		const head = await latestCommit(server());
		await server().stop();
		await server().start();
		assert.deepEqual(
			[server().did, server().handle, server().password, server().publicKey, server().url],
			[did, handle, password, publicKey, url],
		);
		assert.deepEqual(await latestCommit(server()), head);
		const restored = await query(server(), "com.atproto.server.getSession", {}, session.accessJwt);
		assert.equal(restored.expect().did, did);
		const { refreshJwt } = session;
		const next = await procedure(
			server(),
			"com.atproto.server.refreshSession",
			undefined,
			refreshJwt,
		);
		session = next.expect();
		await writer(server(), session).create(COLLECTION, { written: "with the new token" });
	});

	test("keeps sign-outs across restarts", async () => {
		const { accessJwt, refreshJwt } = session;
		const out = await procedure(
			server(),
			"com.atproto.server.deleteSession",
			undefined,
			refreshJwt,
		);
		assert.equal(out.status, 200);
		await server().kill();
		await server().start();
		for (const answer of [
			await query(server(), "com.atproto.server.getSession", {}, accessJwt),
			await procedure(server(), "com.atproto.server.refreshSession", undefined, refreshJwt),
		]) {
			assert.equal(answer.status, 400);
			assert.equal(answer.json.error, "ExpiredToken");
		}
	});
});
