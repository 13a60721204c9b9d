// The memory that the Worker holds on to. An isolate has 128 MB, which the account's object shares with
// the requests in flight, and the memory of wasm never shrinks.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { hosts } from "./hosts.mjs";
import { liveMemory } from "./inspector.mjs";
import { Subscriber } from "./stream.mjs";
import { Workerd, newAccount } from "./workerd.mjs";
import { exportRepo, procedure, signIn, writer } from "./xrpc.mjs";

if (hosts.includes("workerd")) {
	describe("memory (workerd)", () => {
		let folder, server;
		before(async () => {
			folder = await mkdtemp(join(tmpdir(), "nacre-e2e-"));
			const account = { hostname: "pds.test", handle: "alice.test", password: "a password" };
			const vars = await newAccount(account);
			server = await Workerd.start({ folder, modules: BUILD, vars, inspects: true });
			Object.assign(server, { did: vars.get("DID"), password: account.password });
		});
		after(async () => {
			await server?.stop();
			await rm(folder, { recursive: true, force: true });
		});

		test("100,000 records, four exports and 20 replays leave less than 8 MiB", async () => {
			const session = await signIn(server);
			for (let first = 0; first < RECORDS; first += 200) {
				const writes = Array.from({ length: 200 }, (_, index) => creation(first + index));
				const method = "com.atproto.repo.applyWrites";
				(await procedure(server, method, { repo: server.did, writes }, session.accessJwt)).expect();
			}
			const began = Date.now();
			const { create } = writer(server, session);
			for (let count = 0; count < EVENTS; count += 1)
				await create(NOTE, { text: "x".repeat(3_000) });

			const sizes = (await Promise.all([1, 2, 3, 4].map(() => exportRepo(server)))).map(
				({ length }) => length,
			);
			assert.ok(sizes[0] > RECORDS * 100, `${sizes[0]} bytes`);
			assert.deepEqual(new Set(sizes).size, 1);
			for (let count = 0; count < REPLAYS; count += 1) {
				// Sequence numbers are times.
				const reader = await Subscriber.open(server, began);
				await reader.count(EVENTS);
				await reader.close();
			}

			const { objects, buffers, code } = await liveMemory(server);
			const [inObjects, inBuffers, inCode] = [objects, buffers, code].map(
				(bytes) => bytes / 2 ** 20,
			);
			const found =
				`${inObjects.toFixed(2)} MiB of objects, ${inBuffers.toFixed(2)} of buffers, ` +
				`${inCode.toFixed(2)} of code`;
			console.log(found);
			// The memory of wasm and the module itself are larger: if not, the snapshot lacks them.
			assert.ok(inBuffers > 1 && inCode > 1, found);
			// The size of the code does not depend on what the Worker is asked.
			assert.ok(inObjects + inBuffers < MOST_MEBIBYTES, found);
		});
	});
}

const creation = (number) => ({
	$type: "com.atproto.repo.applyWrites#create",
	collection: NOTE,
	rkey: `k${number}`,
	value: { $type: NOTE, number, text: "as long as a post is that somebody wrote" },
});

const NOTE = "com.example.note";
const RECORDS = 100_000;
const EVENTS = 200;
const REPLAYS = 20;
const MOST_MEBIBYTES = 8;
/** The folder of the Worker that `cargo xtask worker --test-routes` builds. */
const BUILD = fileURLToPath(new URL("../pds-worker/build-test", import.meta.url));
