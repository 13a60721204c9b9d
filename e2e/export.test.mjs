// Exports, read, verified and compared by two third-party libraries.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fromUint8Array as readCarBlocks } from "@atcute/car";
import { decode } from "@atcute/cbor";
import * as atcuteCid from "@atcute/cid";
import { Secp256k1PublicKey, parseDidKey } from "@atcute/crypto";
import { fromStream, fromUint8Array as readRecords, verifyRecord } from "@atcute/repo";
import { readCar, readCarWithRoot, verifyRepoCar } from "@atproto/repo";

import { onEachHost } from "./hosts.mjs";
import { Random } from "./random.mjs";
import { exportRepo, latestCommit, query, send, signIn, writer } from "./xrpc.mjs";

onEachHost("export", (server) => {
	/** The expected records: path to record. */
	const expected = new Map();

	test("verifies while the repository is empty", async () => {
		const { creates, commit } = await verifyRepoCar(
			await exportRepo(server()),
			server().did,
			server().publicKey,
		);
		assert.deepEqual(creates, []);
		assert.deepEqual({ cid: String(commit.cid), rev: commit.rev }, await latestCommit(server()));
	});

	test("contains exactly the written records, at many sizes", async () => {
		const random = new Random(SEED);
		const { put, delete: remove } = writer(server(), await signIn(server()));
		for (let step = 1; step <= STEPS; step += 1) {
			const collection = random.pick(COLLECTIONS);
			const rkey = `key-${random.below(KEYS)}`;
			const path = `${collection}/${rkey}`;
			if (expected.has(path) && random.below(4) === 0) {
				await remove(collection, rkey);
				expected.delete(path);
			} else {
				const record = shell(random, collection);
				await put(collection, rkey, record);
				expected.set(path, record);
			}
			if (CHECKED.includes(expected.size) || step === STEPS) await compare();
		}
	});

	async function compare() {
		const car = await exportRepo(server());
		const official = await officialRecords(car);
		const atcute = new Map([...readRecords(car)].map(entry));
		assert.deepEqual(sorted(official), sorted(expected));
		assert.deepEqual(sorted(atcute), sorted(expected));
	}

	async function officialRecords(car) {
		const { creates, commit } = await verifyRepoCar(car, server().did, server().publicKey);
		const head = await latestCommit(server());
		assert.deepEqual({ cid: String(commit.cid), rev: commit.rev }, head);
		const { blocks } = await readCarWithRoot(car);
		return new Map(
			creates.map(({ collection, rkey, cid }) => [
				`${collection}/${rkey}`,
				decode(blocks.get(cid)),
			]),
		);
	}

	test("is a streamable CAR whose first block is its only root", async () => {
		const { did } = server();
		const answer = await query(server(), "com.atproto.sync.getRepo", { did });
		assert.equal(answer.headers.get("content-type"), "application/vnd.ipld.car");
		const car = readCarBlocks(answer.bytes);
		assert.equal(car.roots.length, 1);
		assert.equal(car.roots[0].$link, (await latestCommit(server())).cid);
		const [first] = car;
		assert.equal(atcuteCid.toString(first.cid), car.roots[0].$link);

		const streamed = fromStream(new Blob([answer.bytes]).stream());
		const found = new Map();
		for await (const record of streamed) found.set(...entry(record));
		assert.deepEqual(streamed.missingBlocks, []);
		assert.deepEqual(sorted(found), sorted(expected));
	});

	test("lets another library verify each record", async () => {
		const car = await exportRepo(server());
		const { publicKeyBytes } = parseDidKey(server().publicKey);
		const publicKey = await Secp256k1PublicKey.importRaw(publicKeyBytes);
		const { did } = server();
		assert.ok(expected.size >= 10);
		for (const [path, record] of [...expected].slice(0, 10)) {
			const [collection, rkey] = path.split("/");
			const verified = await verifyRecord({ did, collection, rkey, publicKey, carBytes: car });
			assert.deepEqual(plain(verified.record), plain(record));
		}
	});

	test("since a rev has only newer blocks, and enough to update an old copy", async () => {
		const { put, delete: remove } = writer(server(), await signIn(server()));
		const old = await readCarWithRoot(await exportRepo(server()));
		const { rev } = await latestCommit(server());
		await put("com.example.since", "new", { is: "new" });
		const [first] = expected.keys();
		await remove(...first.split("/"));
		expected.delete(first);
		expected.set("com.example.since/new", { $type: "com.example.since", is: "new" });

		const newer = await readCarWithRoot(await exportRepo(server(), rev));
		assert.equal(String(newer.root), (await latestCommit(server())).cid);
		const whole = (await readCar(await exportRepo(server()))).blocks.cids();
		for (const cid of whole) assert.ok(old.blocks.has(cid) || newer.blocks.has(cid), String(cid));
		assert.ok(newer.blocks.size < whole.length / 2);

		const nothing = await readCar(await exportRepo(server(), (await latestCommit(server())).rev));
		assert.deepEqual(nothing.blocks.cids().map(String), [String(newer.root)]);
		await compare();
	});

	test("keeps a record's block when an equal record is deleted", async () => {
		const { create, delete: remove } = writer(server(), await signIn(server()));
		const twins = ["left", "right"];
		for (const rkey of twins) await create("com.example.twin", { $type: "com.example.twin" }, rkey);
		await remove("com.example.twin", "left");
		expected.set("com.example.twin/right", { $type: "com.example.twin" });
		await compare();
	});

	test("is readable by scripts of any origin", async () => {
		const answer = await send(server(), `/xrpc/com.atproto.sync.getRepo?did=${server().did}`, {
			headers: { origin: "https://example.com" },
		});
		assert.equal(answer.headers.get("access-control-allow-origin"), "*");
	});
});

/** Returns a record with every kind of value in the data model. */
function shell(random, $type) {
	const cid = "bafyreihyrpefhacm6kkp4ql6j6udakdit7g3dmkzfriqfykhjw6cad5lrm";
	return {
		$type,
		number: random.below(2 ** 31) - 2 ** 30,
		text: random.pick(["", "pearl", "Perle 🐚", '"\\\u0000\n', "ａ", "\u{10ffff}"]),
		list: Array.from({ length: random.below(4) }, () => random.below(10)),
		map: { b: null, aa: true, a: false, é: -1 },
		link: { $link: cid },
		bytes: {
			$bytes: Buffer.alloc(random.below(8), random.below(256))
				.toString("base64")
				.replaceAll("=", ""),
		},
	};
}

/** Returns the path and value of a record from `@atcute/repo`. */
function entry({ collection, rkey, record }) {
	return [`${collection}/${rkey}`, record];
}

/** Returns records as plain JSON in order of their paths. */
function sorted(records) {
	return plain([...records].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Returns a value after a round trip through JSON. */
function plain(value) {
	return JSON.parse(JSON.stringify(value));
}

const SEED = 20_260_801;
const STEPS = 360;
const KEYS = 200;
const COLLECTIONS = ["com.example.shell", "com.example.sand", "app.example.a.b.c"];
/** The numbers of records at which the export is compared. */
const CHECKED = [1, 2, 5, 20, 80, 150];
