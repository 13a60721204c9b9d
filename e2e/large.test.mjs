// A large repository: a slow export during writes, and imports.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import http from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { verifyRepoCar } from "@atproto/repo";

import { onEachHost } from "./hosts.mjs";
import {
	activate,
	deactivate,
	exportRepo,
	importCar,
	latestCommit,
	procedure,
	query,
	signIn,
	writer,
} from "./xrpc.mjs";

onEachHost("large repository", (server) => {
	test("a reader at 50 kB/s gets an export of one commit and delays nobody", async () => {
		const session = await signIn(server());
		for (let first = 0; first < RECORDS; first += 200) {
			const writes = Array.from({ length: 200 }, (_, index) => note(first + index));
			const input = { repo: server().did, writes };
			const method = "com.atproto.repo.applyWrites";
			(await procedure(server(), method, input, session.accessJwt)).expect();
		}
		const { cid, rev } = await latestCommit(server());
		const slow = await SlowReader.begin(server());
		const { create, delete: remove } = writer(server(), session);
		let writes = 0;
		const writing = (async () => {
			while (!slow.isFast) {
				await create(COLLECTION, { number: -1 }, "while-it-is-read");
				await remove(COLLECTION, "while-it-is-read");
				writes += 2;
			}
		})();
		await slow.trickle(SLOW_MS);
		assert.ok(slow.length < SLOW_MS * BYTES_PER_MS * 2, "it has been slow");
		const car = await slow.rest();
		await writing;
		assert.ok(writes > 20, `only ${writes} writes during the export`);
		const { did, publicKey } = server();
		const { creates, commit } = await verifyRepoCar(car, did, publicKey);
		assert.deepEqual([String(commit.cid), commit.rev], [cid, rev]);
		assert.equal(creates.length, RECORDS);
		assert.notEqual((await latestCommit(server())).cid, cid);
	});

	test("50,000 records are imported", async () => {
		const session = await signIn(server());
		const before = await latestCommit(server());
		const car = await exportRepo(server());
		const { create, delete: remove } = writer(server(), session);
		await create(COLLECTION, { is: "new" }, "new");
		await remove(COLLECTION, "k7");
		await comesBack(car, before, session);
		assert.equal((await status(session)).indexedRecords, RECORDS);
	});

	test("a CAR of 120 MiB is imported", async () => {
		const session = await signIn(server());
		const { create, delete: remove } = writer(server(), session);
		let rkey;
		for (let written = 0; written < CAR_BYTES; written += RECORD_BYTES) {
			// Hex digits of random bytes compress to half at best.
			const text = randomBytes(RECORD_BYTES / 2).toString("hex");
			rkey = `w${written / RECORD_BYTES}`;
			await create("com.example.whale", { text }, rkey);
		}
		const before = await latestCommit(server());
		const car = await exportRepo(server());
		assert.ok(car.length > CAR_BYTES);
		await remove("com.example.whale", rkey);
		await comesBack(car, before, session);
	});

	async function comesBack(car, head, session) {
		await deactivate(server(), session);
		(await importCar(server(), car, session)).expect();
		const { accessJwt } = session;
		assert.deepEqual(await latestCommit(server(), accessJwt), head);
		assert.equal(Buffer.compare(await exportRepo(server(), undefined, accessJwt), car), 0);
		await activate(server(), session);
	}

	async function status({ accessJwt }) {
		const method = "com.atproto.server.checkAccountStatus";
		return (await query(server(), method, {}, accessJwt)).expect();
	}
});

/** A client that reads an export at its own speed. */
class SlowReader {
	isFast = false;
	length = 0;
	#pieces = [];
	#answer;

	static async begin({ url, did }) {
		const reader = new SlowReader();
		const path = `/xrpc/com.atproto.sync.getRepo?${new URLSearchParams({ did })}`;
		reader.#answer = await new Promise((resolve, reject) => {
			http.get(new URL(path, url), { agent: false }, resolve).on("error", reject);
		});
		assert.equal(reader.#answer.statusCode, 200);
		return reader;
	}

	/** Reads 50 kB/s for a while. */
	async trickle(ms) {
		const end = performance.now() + ms;
		while (performance.now() < end) {
			const piece = this.#answer.read(BYTES_PER_MS * PAUSE_MS) ?? this.#answer.read();
			if (piece) this.#take(piece);
			await sleep(PAUSE_MS);
		}
	}

	/** Reads the rest, and returns the whole export. */
	async rest() {
		this.isFast = true;
		for await (const piece of this.#answer) this.#take(piece);
		return Buffer.concat(this.#pieces);
	}

	#take(piece) {
		this.length += piece.length;
		this.#pieces.push(piece);
	}
}

function note(number) {
	const value = { $type: COLLECTION, number, text: "as long as a post is that somebody wrote" };
	return {
		$type: "com.atproto.repo.applyWrites#create",
		collection: COLLECTION,
		rkey: `k${number}`,
		value,
	};
}

const COLLECTION = "com.example.shell";
const RECORDS = 50_000;
const CAR_BYTES = 120 * 2 ** 20;
const RECORD_BYTES = 900_000;
const BYTES_PER_MS = 50;
const PAUSE_MS = 100;
const SLOW_MS = 5_000;
