// Records as clients observe them: sections 6 and 7 of the reference cases.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Caller, refused, write } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";

onEachHost("cases of records", (server) => {
	const owner = new Caller(server);

	test("6.1 a repository is addressed by handle or DID", async () => {
		for (const repo of [server().handle, server().did]) {
			const { uri } = (await owner.create(NOTE, {}, { repo })).expect();
			assert.ok(uri.startsWith(`at://${server().did}/${NOTE}/`));
		}
	});

	test("6.2 a write to another repository is refused", async () => {
		const answer = await owner.create(NOTE, {}, { repo: "did:web:other.test" });
		assert.deepEqual([answer.status, answer.json.error], [401, "AuthenticationRequired"]);
	});

	test("6.3, 6.4 a write returns its URI and CID, with the given key or a TID", async () => {
		const given = (await owner.create(NOTE, {}, { rkey: "given" })).expect();
		assert.equal(given.uri, `at://${server().did}/${NOTE}/given`);
		assert.deepEqual(Object.keys(given).sort(), ["cid", "commit", "uri", "validationStatus"]);
		assert.deepEqual(given.commit, await owner.head());
		const { uri } = (await owner.create(NOTE, {})).expect();
		assert.match(uri.split("/").at(-1), /^[2-7a-z]{13}$/);
	});

	test("6.5, 6.6 a missing $type is filled in, and a wrong one is refused", async () => {
		(await owner.create(NOTE, { text: "x" }, { rkey: "typed" })).expect();
		const { value } = (await owner.read(NOTE, "typed")).expect();
		assert.deepEqual(value, { $type: NOTE, text: "x" });
		const other = await owner.create(NOTE, { $type: "com.example.other" });
		const message = `Invalid $type: expected ${NOTE}, got com.example.other`;
		refused(other, 400, "InvalidRequest", message);
	});

	test("6.7, 6.8 records and keys of a known collection are validated against its schema", async () => {
		const bad = await owner.create(POST, { text: 1, createdAt: NOW });
		refused(bad, 400, "InvalidRequest", /^Invalid app\.bsky\.feed\.post record: Record\/text /);
		const profile = await owner.create(PROFILE, { displayName: "x" }, { rkey: "other" });
		refused(profile, 400, "InvalidRequest", /^Invalid record key for app\.bsky\.actor\.profile: /);
	});

	test("6.9 an invalid record key is refused", async () => {
		for (const rkey of [".", "a/b", "a b"]) {
			const answer = await owner.create(NOTE, {}, { rkey });
			refused(answer, 400, "InvalidRequest", `Invalid record key: ${rkey}`);
		}
	});

	test("6.10 to 6.13 the validate option and validation status", async () => {
		const status = async (collection, record, validate) => {
			const answer = await owner.create(collection, record, { validate });
			return answer.expect().validationStatus;
		};
		assert.equal(await status(NOTE, {}), "unknown");
		assert.equal(await status(NOTE, {}, false), undefined);
		assert.equal(await status(POST, post()), "valid");
		assert.equal(await status(POST, post(), true), "valid");
		assert.equal(await status(POST, { text: 1 }, false), undefined);
		const unknown = await owner.create(NOTE, {}, { validate: true });
		refused(unknown, 400, "InvalidRequest", `Unknown lexicon type: ${NOTE}`);
	});

	test("6.15, 6.16 old references to blobs, fractions and large integers are refused", async () => {
		const legacy = await owner.create(NOTE, { image: { cid: RAW, mimeType: "image/png" } });
		refused(legacy, 400, "InvalidRequest", `Legacy blobs are not allowed (${RAW})`);
		for (const record of [{ n: 0.5 }, { n: 2 ** 53 }, { n: -(2 ** 53) }]) {
			const answer = await owner.create(NOTE, record);
			assert.deepEqual([answer.status, answer.json.error], [400, "InvalidRequest"]);
		}
	});

	test("6.17 a datetime without a time zone is refused", async () => {
		const answer = await owner.create(POST, { ...post(), createdAt: "2026-01-01T00:00:00" });
		refused(answer, 400, "InvalidRequest", /Record\/createdAt must be an valid atproto datetime/);
	});

	test("a link without a host or path is refused wherever a post has one", async () => {
		const external = (uri) => ({
			embed: {
				$type: "app.bsky.embed.external",
				external: { uri, title: "", description: "" },
			},
		});
		const link = (uri) => ({ $type: "app.bsky.richtext.facet#link", uri });
		const facet = (uri) => ({
			facets: [{ index: { byteStart: 0, byteEnd: 1 }, features: [link(uri)] }],
		});
		for (const part of [external, facet]) {
			for (const uri of ["https:///example.com", "file:/x", "at://", "x:a\ufeff", "x:a\u2028b"]) {
				const answer = await owner.create(POST, { ...post(), ...part(uri) });
				refused(answer, 400, "InvalidRequest", /uri must be a uri$/);
			}
			for (const uri of ["https://example.com", "mailto:a@example.com", "git+ssh://a/b"]) {
				(await owner.create(POST, { ...post(), ...part(uri) })).expect();
			}
		}
	});

	test("6.18 unknown fields are kept", async () => {
		const record = { $type: POST, ...post(), more: { a: [1, { b: null }] } };
		const { uri } = (await owner.create(POST, record)).expect();
		const { value } = (await owner.read(POST, uri.split("/").at(-1))).expect();
		assert.deepEqual(value, record);
	});

	test("6.19 to 6.21 a put creates, updates, or does nothing", async () => {
		const first = (await owner.put(NOTE, "put", { n: 1 })).expect();
		assert.ok(first.commit);
		const same = (await owner.put(NOTE, "put", { n: 1 })).expect();
		assert.deepEqual([same.cid, same.commit], [first.cid, undefined]);
		const swapped = await owner.put(NOTE, "put", { n: 2 }, { swapRecord: first.cid });
		const { cid } = swapped.expect();
		for (const swapRecord of [first.cid, null]) {
			const answer = await owner.put(NOTE, "put", { n: 3 }, { swapRecord });
			refused(answer, 400, "InvalidSwap", `Record was at ${cid}`);
		}
		(await owner.put(NOTE, "fresh", { n: 1 }, { swapRecord: null })).expect();
	});

	test("6.22 a write is refused if swapCommit is not the head", async () => {
		const { cid } = await owner.head();
		for (const answer of [
			await owner.create(NOTE, {}, { swapCommit: OTHER }),
			await owner.put(NOTE, "swap", {}, { swapCommit: OTHER }),
			await owner.delete(NOTE, "put", { swapCommit: OTHER }),
			await owner.apply([write("create", NOTE, "swap", {})], { swapCommit: OTHER }),
		]) {
			refused(answer, 400, "InvalidSwap", `Commit was at ${cid}`);
		}
		assert.equal((await owner.head()).cid, cid);
	});

	test("6.23, 6.24 deleting no record does nothing, and a wrong swapRecord is refused", async () => {
		const before = await owner.head();
		assert.equal((await owner.delete(NOTE, "nothing")).expect().commit, undefined);
		assert.deepEqual(await owner.head(), before);
		const { cid } = (await owner.put(NOTE, "doomed", {})).expect();
		const other = await owner.delete(NOTE, "doomed", { swapRecord: OTHER });
		refused(other, 400, "InvalidSwap", `Record was at ${cid}`);
		const none = await owner.delete(NOTE, "nothing", { swapRecord: cid });
		refused(none, 400, "InvalidSwap", "Record was at null");
	});

	test("6.25 a batch is one commit, and its results are in order", async () => {
		(
			await owner.apply([write("create", NOTE, "b1", {}), write("create", NOTE, "b2", {})])
		).expect();
		const { rev } = await owner.head();
		const answer = await owner.apply([
			write("create", POST, undefined, post()),
			write("update", NOTE, "b1", { n: 1 }),
			write("delete", NOTE, "b2"),
		]);
		const { commit, results } = answer.expect();
		assert.deepEqual(commit, await owner.head());
		assert.ok(commit.rev > rev);
		const kinds = results.map(({ $type, validationStatus }) => [
			$type.split("#")[1],
			validationStatus,
		]);
		assert.deepEqual(kinds, [
			["createResult", "valid"],
			["updateResult", "unknown"],
			["deleteResult", undefined],
		]);
	});

	test("6.26 to 6.30 an invalid batch is refused as a whole", async () => {
		const before = await owner.head();
		const fine = write("create", NOTE, "fine", {});
		const many = Array.from({ length: 201 }, (_, n) => write("create", NOTE, `m${n}`, {}));
		const large = Array.from({ length: 3 }, (_, n) =>
			write("create", NOTE, `l${n}`, { text: "x".repeat(700_000) }),
		);
		const unknown = { ...fine, $type: "com.atproto.repo.applyWrites#move" };
		for (const [writes, message] of [
			[many, "Too many writes. Max: 200"],
			[[fine, unknown], /^Action not supported: /],
			[[fine, write("create", NOTE, "given", {})], /already exists/],
			[[fine, write("update", NOTE, "nothing", {})], /Could not locate record/],
			[[fine, write("create", POST, "x", {})], /^Invalid app\.bsky\.feed\.post record/],
		]) {
			refused(await owner.apply(writes), 400, "InvalidRequest", message);
		}
		const answer = await owner.apply(large);
		assert.ok([400, 413].includes(answer.status));
		assert.deepEqual(await owner.head(), before);
	});

	test("6.31 another like of the same post replaces the first", async () => {
		const subject = { uri: `at://did:web:b.test/${POST}/3jzfcijpj2z2a`, cid: OTHER };
		const like = async () =>
			(await owner.create(LIKE, { subject, createdAt: NOW })).expect().uri.split("/").at(-1);
		const [first, second] = [await like(), await like()];
		refused(await owner.read(LIKE, first), 400, "RecordNotFound", /^Could not locate record/);
		(await owner.read(LIKE, second)).expect();
	});

	test("6.33 concurrent writes are all applied, one after another", async () => {
		const answers = await Promise.all(
			Array.from({ length: 20 }, (_, n) => owner.create(NOTE, { n }, { rkey: `same${n}` })),
		);
		const revs = answers.map((answer) => answer.expect().commit.rev);
		assert.equal(new Set(revs).size, 20);
		assert.equal((await owner.head()).rev, revs.sort().at(-1));
	});

	test("6.35 oversized bodies are refused", async () => {
		const text = "x".repeat(1_000_001);
		const large = await owner.create(NOTE, { text });
		refused(large, 413, "PayloadTooLargeError", "request entity too large");
		const session = { identifier: server().handle, password: "x".repeat(160_000) };
		const login = await owner.post("com.atproto.server.createSession", session);
		refused(login, 413, "PayloadTooLargeError", "request entity too large");
	});

	test("7.1 to 7.3 a record is returned as stored, or not found", async () => {
		const { uri, cid } = (await owner.put(NOTE, "read", { n: 1 })).expect();
		const found = (await owner.read(NOTE, "read", { cid })).expect();
		assert.deepEqual(found, { uri, cid, value: { $type: NOTE, n: 1 } });
		for (const [rkey, more] of [
			["read", { cid: OTHER }],
			["nothing", {}],
		]) {
			const message = `Could not locate record: at://${server().did}/${NOTE}/${rkey}`;
			refused(await owner.read(NOTE, rkey, more), 400, "RecordNotFound", message);
		}
	});

	test("7.6, 7.7 lists are ordered in both directions and paginated", async () => {
		const keys = Array.from({ length: 25 }, (_, n) => `p${String(n).padStart(2, "0")}`);
		(await owner.apply(keys.map((rkey) => write("create", LISTED, rkey, {})))).expect();
		const list = (more) => {
			const params = { repo: server().handle, collection: LISTED, ...more };
			return owner.get("com.atproto.repo.listRecords", params, { anonymous: true });
		};
		for (const reverse of [false, true]) {
			const found = [];
			let cursor;
			do {
				const more = { limit: 10, reverse, ...(cursor && { cursor }) };
				const page = (await list(more)).expect();
				found.push(...page.records.map(({ uri }) => uri.split("/").at(-1)));
				cursor = page.cursor;
			} while (cursor);
			assert.deepEqual(found, reverse ? keys : keys.toReversed());
		}
		for (const limit of [0, 101, "x"]) {
			const answer = await list({ limit });
			assert.deepEqual([answer.status, answer.json.error], [400, "InvalidRequest"]);
		}
	});

	test("7.8 the list of an unknown repository is refused", async () => {
		const params = { repo: "did:web:other.test", collection: NOTE };
		const answer = await owner.get("com.atproto.repo.listRecords", params);
		refused(answer, 400, "InvalidRequest", "Could not find repo: did:web:other.test");
	});

	test("7.9, 7.11 describeRepo lists the collections that have records", async () => {
		const describe = async () => {
			const params = { repo: server().did };
			return (await owner.get("com.atproto.repo.describeRepo", params)).expect();
		};
		(await owner.put("com.example.brief", "x", {})).expect();
		const { handle, did, didDoc, collections, handleIsCorrect } = await describe();
		assert.deepEqual([handle, did, didDoc.id], [server().handle, server().did, server().did]);
		assert.equal(typeof handleIsCorrect, "boolean");
		assert.deepEqual(collections, collections.toSorted());
		assert.ok(collections.includes("com.example.brief"));
		(await owner.delete("com.example.brief", "x")).expect();
		assert.ok(!(await describe()).collections.includes("com.example.brief"));
	});
});

function post() {
	return { text: "hello", createdAt: NOW };
}

const NOTE = "com.example.note";
const LISTED = "com.example.listed";
const POST = "app.bsky.feed.post";
const LIKE = "app.bsky.feed.like";
const PROFILE = "app.bsky.actor.profile";
const NOW = "2026-01-01T00:00:00.000Z";
const OTHER = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
const RAW = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
