// Batches with several writes to one path are applied in order and announced by their net effect.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Caller, refused, write } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { verifyCommit } from "./proofs.mjs";
import { Subscriber } from "./stream.mjs";

onEachHost("batches", (server) => {
	const owner = new Caller(server);
	const value = async (rkey) => {
		const answer = await owner.read(NOTE, rkey);
		return answer.status === 200 ? answer.json.value.n : undefined;
	};
	const note = (n) => ({ $type: NOTE, n });
	const create = (rkey, n) => write("create", NOTE, rkey, note(n));
	const update = (rkey, n) => write("update", NOTE, rkey, note(n));
	const remove = (rkey) => write("delete", NOTE, rkey);

	/** Applies a batch and returns the answer and the events of it. */
	async function apply(writes) {
		const subscriber = await Subscriber.open(server());
		const answer = await owner.apply(writes);
		// The last event, after those of the batch.
		const { commit } = (await owner.create(NOTE, note(0))).expect();
		const last = ({ body }) => String(body.commit) === commit.cid;
		while (!subscriber.events.some(last)) await subscriber.count(subscriber.events.length + 1);
		await subscriber.close();
		const events = subscriber.events.filter((event) => !last(event));
		for (const { body } of events) await verifyCommit(server(), body);
		return { answer, ops: events.map(({ body }) => body.ops) };
	}

	test("an update after a delete of the same record is refused", async () => {
		(await owner.put(NOTE, "x", note(1))).expect();
		const { answer, ops } = await apply([remove("x"), update("x", 1)]);
		refused(answer, 400, "InvalidRequest", `Could not locate record: ${NOTE}/x`);
		assert.deepEqual([ops, await value("x")], [[], 1]);
	});

	test("the last of several updates wins, and restoring the record makes no event", async () => {
		(await owner.put(NOTE, "x", note(1))).expect();
		const same = await apply([update("x", 2), update("x", 1)]);
		assert.equal(same.answer.expect().results.length, 2);
		assert.equal(same.answer.json.commit, undefined);
		assert.deepEqual([same.ops, await value("x")], [[], 1]);
		const other = await apply([update("x", 2), update("x", 3)]);
		assert.equal(other.answer.expect().results.length, 2);
		assert.deepEqual([other.ops.length, await value("x")], [1, 3]);
	});

	test("creating and deleting a record makes no commit", async () => {
		const { answer, ops } = await apply([create("k", 1), remove("k")]);
		const { results, commit } = answer.expect();
		assert.deepEqual(
			results.map(({ $type }) => $type.split("#")[1]),
			["createResult", "deleteResult"],
		);
		assert.ok(results[0].cid);
		assert.deepEqual([commit, ops, await value("k")], [undefined, [], undefined]);
	});

	test("deleting and creating a record is one update with the previous CID", async () => {
		const before = (await owner.put(NOTE, "x", note(1))).expect().cid;
		const { answer, ops } = await apply([remove("x"), create("x", 2)]);
		assert.equal(answer.expect().results.length, 2);
		const [[op]] = ops;
		assert.deepEqual([op.action, op.path, String(op.prev)], ["update", `${NOTE}/x`, before]);
		assert.deepEqual([ops.length, ops[0].length, await value("x")], [1, 1, 2]);
	});

	test("generated keys never collide, in batches or single writes", async () => {
		const keyless = { $type: "com.atproto.repo.applyWrites#create", collection: MANY };
		const uris = [];
		for (let round = 0; round < 5; round++) {
			const writes = Array.from({ length: 100 }, (_, n) => ({ ...keyless, value: { n } }));
			const { results } = (await owner.apply(writes)).expect();
			uris.push(...results.map(({ uri }) => uri));
			for (let n = 0; n < 5; n++) uris.push((await owner.create(MANY, { n })).expect().uri);
		}
		assert.deepEqual(uris, [...new Set(uris)].sort());
	});
});

const NOTE = "com.example.note";
const MANY = "com.example.many";
