// Validation of records, and writes that are conditional on the current commit or record.

import assert from "node:assert/strict";
import { test } from "node:test";

import { onEachHost } from "./hosts.mjs";
import { Asker, COLLECTION, CREATE, DELETE, OTHER_CID, PUT } from "./refused.mjs";
import { Subscriber } from "./stream.mjs";
import { latestCommit, query } from "./xrpc.mjs";

onEachHost("writes", (server) => {
	const asker = new Asker(server);
	const raw = (record) =>
		asker.body(
			CREATE,
			`{"repo":"${server().did}","collection":"${COLLECTION}","record":${record}}`,
		);

	asker.refused("records that do not fit the data model", () => [
		[
			"a fraction",
			() => asker.write(CREATE, { record: { number: 1.5 } }),
			"numbers must be integers",
		],
		["an exponent", () => raw('{"n":1e400}'), "integer out of range"],
		[
			"an integer beyond the safe ones",
			() => raw('{"n":9007199254740993}'),
			"integer out of range",
		],
		["a key twice", () => raw('{"n":1,"n":2}'), "duplicate object key"],
		["too deep", () => asker.write(CREATE, { record: deep(1_000) }), "nested too deeply"],
		[
			"a bad link",
			() => asker.write(CREATE, { record: { link: { $link: "nothing" } } }),
			"invalid link",
		],
		[
			"bad bytes",
			() => asker.write(CREATE, { record: { bytes: { $bytes: "!" } } }),
			"a $bytes object has no other key and holds base64",
		],
		[
			"no object",
			() => asker.write(CREATE, { record: "text" }),
			"the outermost value is not an object",
		],
		["null", () => asker.write(CREATE, { record: null }), "the outermost value is not an object"],
		[
			"another type",
			() => asker.write(CREATE, { record: { $type: "com.example.sand" } }),
			`Invalid $type: expected ${COLLECTION}, got com.example.sand`,
		],
		[
			"an unknown type that is to be validated",
			() => asker.write(CREATE, { record: {}, validate: true }),
			`Unknown lexicon type: ${COLLECTION}`,
		],
	]);

	asker.refused("records that violate their schema", () => [
		[
			"a post without a date",
			() => asker.write(CREATE, { collection: POST, record: { text: "hello" } }),
			`Invalid ${POST} record: Record must have the property "createdAt"`,
		],
		[
			"a post with a date of no zone",
			() =>
				asker.write(CREATE, {
					collection: POST,
					record: post({ createdAt: "2026-01-01T00:00:00" }),
				}),
			`Invalid ${POST} record: Record/createdAt must be an valid atproto datetime (both RFC-3339 and ISO-8601)`,
		],
		[
			"a post of 301 graphemes in 3,311 bytes",
			() => asker.write(CREATE, { collection: POST, record: post({ text: "👩‍🚀".repeat(301) }) }),
			`Invalid ${POST} record: Record/text must not be longer than 3000 characters`,
		],
		[
			"a post of 301 graphemes in 2,408 bytes",
			() => asker.write(CREATE, { collection: POST, record: post({ text: "🇩🇪".repeat(301) }) }),
			`Invalid ${POST} record: Record/text must not be longer than 300 graphemes`,
		],
		[
			"a post that replies to nothing",
			() => asker.write(CREATE, { collection: POST, record: post({ reply: {} }) }),
			`Invalid ${POST} record: Record/reply must have the property "root"`,
		],
		[
			"a post under a word",
			() => asker.write(CREATE, { collection: POST, rkey: "hello", record: post({}) }),
			`Invalid record key for ${POST}: the key must be a TID`,
		],
		[
			"a profile that is not self",
			() => asker.write(PUT, { collection: PROFILE, rkey: "me", record: {} }),
			`Invalid record key for ${PROFILE}: the key must be self`,
		],
		[
			"a profile with a blob in the old form",
			() =>
				asker.write(PUT, {
					collection: PROFILE,
					rkey: "self",
					record: { avatar: { cid: OTHER_CID, mimeType: "image/png" } },
				}),
			`Legacy blobs are not allowed (${OTHER_CID})`,
		],
	]);

	asker.refused("writes that cannot be applied", () => [
		[
			"to a repository of somebody else",
			() => asker.write(CREATE, { repo: "did:web:example.com", record: {} }),
			[401, "AuthenticationRequired", "Not the owner of this repository"],
		],
		[
			"to a handle of somebody else",
			() => asker.write(CREATE, { repo: "bob.test", record: {} }),
			[401, "AuthenticationRequired", "Not the owner of this repository"],
		],
		[
			"to what is no repository",
			() => asker.write(CREATE, { repo: "nobody", record: {} }),
			/handle/,
		],
		[
			"to a collection that is no NSID",
			() => asker.write(CREATE, { collection: "shells", record: {} }),
			/NSID/,
		],
		[
			"under a key that is none",
			() => asker.write(CREATE, { rkey: "a/b", record: {} }),
			"Invalid record key: a/b",
		],
		["under a dot", () => asker.write(PUT, { rkey: ".", record: {} }), "Invalid record key: ."],
		[
			"under a key of 513 characters",
			() => asker.write(CREATE, { rkey: "k".repeat(513), record: {} }),
			`Invalid record key: ${"k".repeat(128)}`,
		],
		[
			"over what is there",
			() => asker.write(CREATE, { rkey: "here", record: {} }),
			`Record already exists: ${COLLECTION}/here`,
		],
		[
			"put over another record than expected",
			() => asker.write(PUT, { rkey: "here", record: {}, swapRecord: OTHER_CID }),
			[400, "InvalidSwap", `Record was at ${asker.here.cid}`],
		],
		[
			"put over a record where none is expected",
			() => asker.write(PUT, { rkey: "here", record: {}, swapRecord: null }),
			[400, "InvalidSwap", `Record was at ${asker.here.cid}`],
		],
		[
			"put where a record is expected",
			() => asker.write(PUT, { rkey: "gone", record: {}, swapRecord: OTHER_CID }),
			[400, "InvalidSwap", "Record was at null"],
		],
		[
			"delete of another record than expected",
			() => asker.write(DELETE, { rkey: "here", swapRecord: OTHER_CID }),
			[400, "InvalidSwap", `Record was at ${asker.here.cid}`],
		],
		[
			"delete where a record is expected",
			() => asker.write(DELETE, { rkey: "gone", swapRecord: OTHER_CID }),
			[400, "InvalidSwap", "Record was at null"],
		],
		[
			"a swap that is no CID",
			() => asker.write(PUT, { rkey: "here", record: {}, swapRecord: "nothing" }),
			"Invalid CID: nothing",
		],
		[
			"a swap of commits that is no CID",
			() => asker.write(CREATE, { record: {}, swapCommit: "nothing" }),
			"Invalid CID: nothing",
		],
	]);

	test("a write returns its URI, CID and validation status", async () => {
		await asker.prepare();
		const { did, handle } = server();
		for (const [validate, status] of [
			[undefined, "unknown"],
			[false, undefined],
		]) {
			const input = { repo: handle.toUpperCase(), record: { spare: 1 }, validate };
			const written = (await asker.write(CREATE, input)).expect();
			assert.equal(written.validationStatus, status);
			assert.match(written.uri, new RegExp(`^at://${did}/${COLLECTION}/[2-7a-z]{13}$`));
			assert.deepEqual(written.commit, await latestCommit(server()));
			const rkey = written.uri.split("/").at(-1);
			const params = { repo: did, collection: COLLECTION, rkey };
			const read = (await query(server(), "com.atproto.repo.getRecord", params)).expect();
			assert.deepEqual(read, {
				uri: written.uri,
				cid: written.cid,
				value: { $type: COLLECTION, spare: 1 },
			});
		}
	});

	test("an invalid record of a known collection is refused", async () => {
		await asker.prepare();
		for (const [validate, status] of [
			[undefined, "valid"],
			[true, "valid"],
			[false, undefined],
		]) {
			const input = { collection: POST, record: post({ text: "👩‍👩‍👧‍👦".repeat(100) }), validate };
			const written = (await asker.write(CREATE, input)).expect();
			assert.equal(written.validationStatus, status);
		}
		const input = { collection: POST, record: { text: 7 }, validate: false };
		assert.equal((await asker.write(CREATE, input)).expect().validationStatus, undefined);
	});

	test("concurrent writes are all applied, one after another", async () => {
		await asker.prepare();
		const subscriber = await Subscriber.open(server());
		const writes = Array.from({ length: 40 }, (_, number) =>
			asker.write(CREATE, { record: { number } }),
		);
		const written = (await Promise.all(writes)).map((answer) => answer.expect());
		const events = await subscriber.count(40);
		await subscriber.close();
		const told = events.map(({ body }) => body.rev);
		assert.deepEqual(told, told.toSorted());
		assert.deepEqual(new Set(told), new Set(written.map(({ commit }) => commit.rev)));
		events.reduce((before, { body }) => {
			if (before) assert.equal(body.since, before.rev);
			return body;
		}, undefined);
		assert.equal(new Set(written.map(({ uri }) => uri)).size, 40);
	});

	test("a write is refused if swapCommit is not the head", async () => {
		await asker.prepare();
		const { cid } = await latestCommit(server());
		for (const [nsid, input] of [
			[CREATE, { record: {} }],
			[PUT, { rkey: "here", record: { is: "new" } }],
			[PUT, { rkey: "here", record: { is: "here" } }],
			[DELETE, { rkey: "here" }],
			[DELETE, { rkey: "gone" }],
		]) {
			const answer = await asker.write(nsid, { ...input, swapCommit: OTHER_CID });
			assert.equal(answer.status, 400);
			const message = `Commit was at ${cid}`;
			assert.deepEqual(answer.json, { error: "InvalidSwap", message });
		}
		assert.equal((await latestCommit(server())).cid, cid);
		const expected = { rkey: "here", record: { is: "here", swapped: true } };
		const swap = { swapCommit: cid, swapRecord: asker.here.cid };
		asker.here = (await asker.write(PUT, { ...expected, ...swap })).expect();
		assert.equal((await latestCommit(server())).cid, asker.here.commit.cid);
	});

	test("a write that changes nothing makes no commit and no event", async () => {
		await asker.prepare();
		const before = await latestCommit(server());
		const subscriber = await Subscriber.open(server());
		const same = { rkey: "same", record: { is: "same" } };
		const first = (await asker.write(PUT, same)).expect();
		const second = (await asker.write(PUT, same)).expect();
		assert.equal(second.cid, first.cid);
		assert.equal(second.uri, first.uri);
		assert.ok(first.commit);
		assert.equal(second.commit, undefined);
		const nothing = await asker.write(DELETE, { rkey: "gone" });
		assert.equal(nothing.status, 200);
		assert.deepEqual(nothing.json, {});
		const head = await latestCommit(server());
		assert.deepEqual(head, first.commit);
		assert.notDeepEqual(head, before);

		const last = (await asker.write(PUT, { rkey: "same", record: { is: "other" } })).expect();
		const [{ body: one }] = await subscriber.until(1);
		await subscriber.until(one.seq + 1);
		await subscriber.close();
		const commits = subscriber.events.map(({ body }) => String(body.commit));
		assert.deepEqual(commits, [first.commit.cid, last.commit.cid]);
	});
});

/** Returns a record of nested objects. */
function deep(levels) {
	let record = {};
	for (let level = 0; level < levels; level += 1) record = { record };
	return record;
}

/** Returns a post with other fields. */
function post(fields) {
	return { text: "hello", createdAt: "2026-01-01T00:00:00.000Z", ...fields };
}

const POST = "app.bsky.feed.post";
const PROFILE = "app.bsky.actor.profile";
