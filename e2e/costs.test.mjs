// The rows that Cloudflare bills for each operation, as counted by its SQL cursors.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Caller, write } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { send } from "./xrpc.mjs";

onEachHost(
	"costs",
	(server) => {
		const owner = new Caller(server);

		/** Returns the average number of rows that an operation reads and writes. */
		async function cost(count, operation) {
			const [read, written] = await rows();
			for (let done = 0; done < count; done += 1) {
				assert.equal((await operation(done)).status, 200);
			}
			const after = await rows();
			return { read: (after[0] - read) / count, written: (after[1] - written) / count };
		}

		async function rows() {
			return (await send(server(), "/__test/rows")).json;
		}

		test("operations among 2,000 records stay within their limits of rows", async () => {
			for (let first = 0; first < 2_000; first += 200) {
				const writes = Array.from({ length: 200 }, (_, index) =>
					write("create", NOTE, key(first + index), note(index)),
				);
				(await owner.apply(writes)).expect();
			}
			const { did: repo } = owner;
			const page = { repo, collection: NOTE, limit: "100" };
			const prove = (n) => owner.sync("getRecord", { collection: NOTE, rkey: key(n * 7) });
			const table = {
				createRecord: [50, (n) => owner.create(NOTE, note(n)), 6, 5],
				"createRecord of a follow": [50, (n) => owner.create(FOLLOW, follow(n)), 6, 6],
				putRecord: [50, (n) => owner.put(NOTE, key(n * 7), note(-n - 1)), 8, 5],
				deleteRecord: [50, (n) => owner.delete(NOTE, key(1_000 + n * 11)), 9, 5],
				"applyWrites of 100": [3, (n) => owner.apply(batch(n)), 12, 115],
				getRecord: [20, (n) => owner.read(NOTE, key(n * 7)), 2, 0],
				"listRecords of 100": [5, () => owner.get(LIST, page, { anonymous: true }), 102, 0],
				"sync.getRecord": [20, prove, 6, 0],
				checkAccountStatus: [5, () => owner.get(STATUS), 0, 0],
			};
			for (const [name, [count, operation, mostRead, mostWritten]] of Object.entries(table)) {
				const { read, written } = await cost(count, operation);
				const found = `${name}: ${read} rows read, ${written} written`;
				console.log(found);
				assert.ok(read <= mostRead && read > 0 === mostRead > 0, found);
				assert.ok(written <= mostWritten, found);
			}
		});

		test("requests cross between wasm and JavaScript within their limits", async () => {
			const { did } = owner;
			const latest = () => owner.sync("getLatestCommit", {});
			const table = {
				createRecord: [() => owner.create(NOTE, note(0)), 60],
				getLatestCommit: [latest, 25],
				"robots.txt": [() => send(server(), "/robots.txt"), 10],
			};
			const crossings = async () => (await send(server(), "/__test/crossings")).json;
			for (const [name, [operation, most]] of Object.entries(table)) {
				await operation();
				const before = await crossings();
				const own = (await crossings()) - before;
				const start = await crossings();
				for (let done = 0; done < 10; done += 1) assert.equal((await operation()).status, 200, did);
				const found = ((await crossings()) - start - own) / 10;
				console.log(`${name}: ${found} crossings`);
				assert.ok(found > 0 && found <= most, `${name}: ${found} crossings, limit ${most}`);
			}
		});
	},
	{ only: "workerd" },
);

const key = (number) => `k${number}`;
const note = (number) => ({ $type: NOTE, text: `note ${number}`, createdAt: CREATED });
const follow = (number) => ({
	$type: FOLLOW,
	subject: `did:web:n${number}.example`,
	createdAt: CREATED,
});
/** Returns a hundred creates with unique contents. */
const batch = (number) =>
	Array.from({ length: 100 }, (_, index) =>
		write("create", NOTE, `b${number}-${index}`, note(index)),
	);

const NOTE = "com.example.note";
const FOLLOW = "app.bsky.graph.follow";
const LIST = "com.atproto.repo.listRecords";
const STATUS = "com.atproto.server.checkAccountStatus";
const CREATED = "2026-11-22T21:30:00.000Z";
