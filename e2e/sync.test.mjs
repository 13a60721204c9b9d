// Proofs and blocks, checked by a third-party library, and slow exports.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { readCar, verifyProofs, verifyRepoCar } from "@atproto/repo";

import { onEachHost } from "./hosts.mjs";
import { exportRepo, latestCommit, procedure, query, signIn, writer } from "./xrpc.mjs";

onEachHost("sync", (server) => {
	test("many records are written in few commits", async () => {
		const session = await signIn(server());
		for (let first = 0; first < RECORDS; first += 200) {
			const writes = Array.from({ length: 200 }, (_, index) => ({
				$type: "com.atproto.repo.applyWrites#create",
				collection: COLLECTION,
				rkey: key(first + index),
				value: shell(first + index),
			}));
			const { results, commit } = (await apply(session, writes)).expect();
			assert.equal(results.length, 200);
			assert.ok(results.every(({ validationStatus }) => validationStatus === "unknown"));
			assert.deepEqual(commit, await latestCommit(server()));
		}
		const again = await apply(session, [
			{ $type: "com.atproto.repo.applyWrites#update", ...at(0), value: shell(0) },
		]);
		assert.equal(again.expect().commit, undefined);
		const refused = await apply(session, [
			{ $type: "com.atproto.repo.applyWrites#update", ...at(0), value: shell(1) },
			{ $type: "com.atproto.repo.applyWrites#create", ...at(1), value: shell(1) },
		]);
		assert.equal(refused.status, 400);
		assert.equal(refused.json.message, `Record already exists: ${COLLECTION}/${key(1)}`);
	});

	test("an export is of one commit, despite a slow reader and later writes", async () => {
		const { put, create, delete: remove } = writer(server(), await signIn(server()));
		const head = await latestCommit(server());
		const body = await openExport();
		const pieces = [];
		let writes = 0;
		for await (const piece of body) {
			pieces.push(piece);
			if (writes < WRITES) {
				await put(COLLECTION, key(RECORDS - 1 - writes), { changed: true });
				await remove(COLLECTION, key(RECORDS / 2 + writes));
				await create(COLLECTION, { is: "new" }, `new-${writes}`);
				writes += 1;
			}
			await sleep(1);
		}
		assert.equal(writes, WRITES, "all were made before it ended");
		const { creates, commit } = await verifyRepoCar(
			Buffer.concat(pieces),
			server().did,
			server().publicKey,
		);
		assert.deepEqual({ cid: String(commit.cid), rev: commit.rev }, head);
		assert.equal(creates.length, RECORDS);
		const now = await verifyRepoCar(await exportRepo(server()), server().did, server().publicKey);
		assert.equal(now.creates.length, RECORDS);
	});

	test("an aborted export frees its slot", async () => {
		for (let count = 0; count < 20; count += 1) {
			const body = await openExport();
			const reader = body.getReader();
			await reader.read();
			await reader.cancel();
		}
		// Sixteen exports may run at a time. Aborted ones must not count.
		for (let tries = 0; ; tries += 1) {
			const { status } = await query(server(), "com.atproto.sync.getRepo", {
				did: server().did,
			});
			if (status === 200) break;
			assert.ok(tries < 50, "exports that were broken off still count");
			await sleep(100);
		}
	});

	test("a proof shows the presence or absence of a record", async () => {
		const { did, publicKey } = server();
		for (const rkey of [key(0), key(1234), "new-3", "nothing", key(RECORDS / 2)]) {
			const answer = await query(server(), "com.atproto.sync.getRecord", {
				did,
				collection: COLLECTION,
				rkey,
			});
			assert.equal(answer.status, 200);
			const found = await query(server(), "com.atproto.repo.getRecord", {
				repo: did,
				collection: COLLECTION,
				rkey,
			});
			const cid = found.status === 200 ? found.json.cid : null;
			const claim = { collection: COLLECTION, rkey, cid };
			const claims = [{ ...claim, cid: cid && (await cidOf(answer.bytes, cid)) }];
			const { verified, unverified } = await verifyProofs(answer.bytes, claims, did, publicKey);
			assert.deepEqual([verified.length, unverified.length], [1, 0], rkey);
		}
	});

	test("getBlocks returns any block of the repository", async () => {
		const { did } = server();
		const { blocks } = await readCar(await exportRepo(server()));
		const cids = blocks.cids().map(String);
		for (let first = 0; first < cids.length; first += Math.ceil(cids.length / 10)) {
			const some = cids.slice(first, first + 40);
			const params = new URLSearchParams([["did", did], ...some.map((cid) => ["cids", cid])]);
			const answer = await query(server(), "com.atproto.sync.getBlocks", params);
			const found = await readCar(answer.bytes);
			assert.deepEqual(found.roots, []);
			assert.deepEqual(found.blocks.cids().map(String).sort(), some.toSorted());
		}
		const missing = "bafyreihyrpefhacm6kkp4ql6j6udakdit7g3dmkzfriqfykhjw6cad5lrm";
		const params = { did, cids: missing };
		const answer = await query(server(), "com.atproto.sync.getBlocks", params);
		assert.equal(answer.status, 400);
		assert.equal(answer.json.message, `Could not find cids: ${missing}`);
	});

	/** Requests an export and returns its body as a stream. */
	async function openExport() {
		const params = new URLSearchParams({ did: server().did });
		const url = new URL(`/xrpc/com.atproto.sync.getRepo?${params}`, server().url);
		const response = await fetch(url);
		assert.equal(response.status, 200);
		return response.body;
	}

	async function apply(session, writes) {
		const input = { repo: server().did, writes };
		return procedure(server(), "com.atproto.repo.applyWrites", input, session.accessJwt);
	}
});

/** Returns the library's type of a CID, from a CAR. */
async function cidOf(car, text) {
	const { blocks } = await readCar(car);
	return blocks.cids().find((cid) => String(cid) === text);
}

const at = (number) => ({ collection: COLLECTION, rkey: key(number) });
const key = (number) => `key-${String(number).padStart(6, "0")}`;
const shell = (number) => ({ $type: COLLECTION, number, text: `pearl ${number} `.repeat(100) });

const COLLECTION = "com.example.shell";
const RECORDS = 6_000;
const WRITES = 30;
