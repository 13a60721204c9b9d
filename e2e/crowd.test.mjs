// Many events and many subscribers: none misses an event or delays another.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Caller, write } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { verifyCommit } from "./proofs.mjs";
import { Random } from "./random.mjs";
import { Subscriber, decodeFrame, lastSeq, unbroken } from "./stream.mjs";

onEachHost("crowd", (server) => {
	const owner = new Caller(server);
	const session = async () => ({ accessJwt: await owner.token() });

	test("10,000 writes reach five late consumers once and in order", async () => {
		const random = new Random(SEED);
		const live = await Subscriber.open(server(), 0);
		const joined = [];
		const keys = [];
		let writes = 0;
		for (let batch = 0; writes < WRITES; batch += 1) {
			// Single writes, small batches and the largest batches.
			const size = random.pick([1, 1, 1, 10, 50, 200]);
			const batched = some(size, random, keys);
			(await owner.apply(batched)).expect();
			writes += size;
			if (joined.length < CONSUMERS && writes > (WRITES * (joined.length + 1)) / (CONSUMERS + 1)) {
				const { seq } = random.pick(live.events).body;
				joined.push({ cursor: seq, opening: Subscriber.open(server(), seq) });
			}
		}
		const last = await lastSeq(server(), await session());
		const all = await live.until(last);
		const numbers = unbroken(all);
		const operations = all.flatMap(({ body }) => body.ops ?? []);
		assert.equal(operations.length, writes + 1);
		assert.equal(joined.length, CONSUMERS);
		for (const { cursor, opening } of joined) {
			const reader = await opening;
			await reader.until(last);
			const expected = numbers.filter((seq) => seq > cursor);
			assert.deepEqual(
				reader.events.map(({ body }) => body.seq),
				expected,
			);
			const frames = live.frames.slice(-expected.length);
			assert.equal(Buffer.compare(Buffer.concat(reader.frames), Buffer.concat(frames)), 0);
			await reader.close();
		}
		const commits = all.filter(({ header }) => header.t === "#commit");
		for (let count = 0; count < VERIFIED; count += 1) {
			await verifyCommit(server(), random.pick(commits).body);
		}
		await live.close();
	});

	test("200 subscribers receive a write without delaying its response", async () => {
		const crowd = await Promise.all(Array.from({ length: CROWD }, () => Subscriber.open(server())));
		// The server may still be sending the last events.
		await sleep(500);
		for (let number = 0; number < 5; number += 1) {
			(await owner.create(NOTE, { number })).expect();
		}
		for (const subscriber of crowd) {
			await subscriber.count(5);
			assert.equal(subscriber.frames.length, 5);
		}
		const [first, ...others] = crowd.map(({ frames }) => Buffer.concat(frames));
		for (const other of others) assert.equal(Buffer.compare(first, other), 0);
		await Promise.all(crowd.map((subscriber) => subscriber.close()));
	});
});

onEachHost(
	"slow reader",
	(server) => {
		const owner = new Caller(server);

		test("a subscriber that does not read is closed with an error, and others miss nothing", async () => {
			const [slow, quick] = [await Subscriber.open(server()), await Subscriber.open(server())];
			slow.pause();
			for (let number = 0; number < LARGE; number += 1) {
				(await owner.create(NOTE, { text: "x".repeat(LARGE_BYTES) })).expect();
			}
			await quick.count(LARGE);
			slow.resume();
			assert.equal(await slow.end(), 1008);
			assert.deepEqual(decodeFrame(slow.frames.at(-1)), {
				header: { op: -1 },
				body: { error: "ConsumerTooSlow", message: "Stream consumer too slow" },
			});
			assert.ok(slow.frames.length < LARGE);
			await quick.close();
		});
	},
	// A Worker cannot see the unsent data of a socket.
	{ only: "native" },
);

/** Makes this many writes of all kinds. */
function some(size, random, keys) {
	const touched = new Set();
	const writes = [];
	while (writes.length < size) {
		const kind = keys.length > 50 ? random.below(4) : 0;
		if (kind < 2) {
			const rkey = `k${nextKey++}`;
			keys.push(rkey);
			touched.add(rkey);
			writes.push(write("create", NOTE, rkey, { $type: NOTE, number: nextKey }));
			continue;
		}
		const index = random.below(keys.length);
		const rkey = keys[index];
		if (touched.has(rkey)) continue;
		touched.add(rkey);
		if (kind === 2) {
			writes.push(write("update", NOTE, rkey, { $type: NOTE, changed: random.below(1e6) }));
		} else {
			keys.splice(index, 1);
			writes.push(write("delete", NOTE, rkey));
		}
	}
	return writes;
}

let nextKey = 0;
const NOTE = "com.example.note";
const SEED = 20_261_127;
const WRITES = 10_000;
const CONSUMERS = 5;
const VERIFIED = 20;
const CROWD = 200;
const LARGE = 40;
const LARGE_BYTES = 900_000;
