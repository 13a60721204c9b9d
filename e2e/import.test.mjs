// Imports restore an export after the repository has changed.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { verifyRepoCar } from "@atproto/repo";

import { onEachHost } from "./hosts.mjs";
import { Subscriber } from "./stream.mjs";
import {
	activate,
	deactivate,
	exportRepo,
	importCar,
	latestCommit,
	procedure,
	query,
	send,
	signIn,
	writer,
} from "./xrpc.mjs";

onEachHost("import", (server) => {
	test("an import restores an export", async () => {
		const session = await signIn(server());
		for (let first = 0; first < RECORDS; first += 200) {
			const writes = Array.from({ length: 200 }, (_, index) => ({
				$type: "com.atproto.repo.applyWrites#create",
				collection: COLLECTION,
				rkey: `k${first + index}`,
				value: { $type: COLLECTION, number: first + index },
			}));
			const input = { repo: server().did, writes };
			const method = "com.atproto.repo.applyWrites";
			(await procedure(server(), method, input, session.accessJwt)).expect();
		}
		const before = await latestCommit(server());
		const car = await exportRepo(server());
		const { create, delete: remove, put } = writer(server(), session);
		await create(COLLECTION, { is: "new" }, "new");
		await remove(COLLECTION, "k7");
		await put(COLLECTION, "k8", { is: "changed" });
		// A replay of several slices must not prevent an import.
		const late = await Subscriber.open(server(), 0);
		await late.count(4 + RECORDS / 200 + 3);
		await late.close();
		const latest = await latestCommit(server());

		await deactivate(server(), session);
		(await importCar(server(), car, session)).expect();
		const { accessJwt } = session;
		assert.deepEqual(await latestCommit(server(), accessJwt), before);
		const back = await exportRepo(server(), undefined, accessJwt);
		assert.deepEqual(Buffer.from(back), Buffer.from(car));
		// Relays know a newer commit, so activation signs a newer one.
		await activate(server(), session);
		assert.ok((await latestCommit(server())).rev > latest.rev);

		await create(COLLECTION, { is: "newer" }, "newer");
		const { creates } = await verifyRepoCar(
			await exportRepo(server()),
			server().did,
			server().publicKey,
		);
		assert.equal(creates.length, RECORDS + 1);
		const status = await query(
			server(),
			"com.atproto.server.checkAccountStatus",
			{},
			session.accessJwt,
		);
		assert.equal(status.expect().indexedRecords, RECORDS + 1);
	});

	test("large records are imported", async () => {
		const session = await signIn(server());
		const { create, delete: remove } = writer(server(), session);
		for (let number = 0; number < LARGE; number++) {
			// Hex digits of random bytes compress to half at best.
			const text = randomBytes(LARGE_BYTES / 2).toString("hex");
			await create("com.example.whale", { text }, `w${number}`);
		}
		const head = await latestCommit(server());
		const car = await exportRepo(server());
		assert.ok(car.length > LARGE * LARGE_BYTES);
		await remove("com.example.whale", "w3");
		await deactivate(server(), session);
		(await importCar(server(), car, session)).expect();
		assert.deepEqual(await latestCommit(server(), session.accessJwt), head);
		const back = await exportRepo(server(), undefined, session.accessJwt);
		assert.deepEqual(Buffer.from(back), Buffer.from(car));
		await activate(server(), session);
	});

	test("a truncated, corrupt or invalid CAR is refused and changes nothing", async () => {
		const session = await signIn(server());
		const head = await latestCommit(server());
		const car = await exportRepo(server());
		const damaged = Buffer.from(car);
		damaged[damaged.length >> 1] ^= 1;
		await deactivate(server(), session);
		for (const body of [car.subarray(0, car.length - 100), damaged, Buffer.from("no CAR")]) {
			const refused = await importCar(server(), body, session);
			assert.deepEqual([refused.status, refused.json.error], [400, "InvalidRequest"]);
		}
		await activate(server(), session);
		assert.deepEqual(await latestCommit(server()), head);
		const path = "/xrpc/com.atproto.repo.importRepo";
		const headers = { "content-type": CAR };
		const anonymous = await send(server(), path, { method: "POST", headers, body: "x" });
		assert.equal(anonymous.status, 401);
	});

	test("an active account refuses an import with the remedy", async () => {
		const car = await exportRepo(server());
		const refused = await importCar(server(), car, await signIn(server()));
		assert.deepEqual([refused.status, refused.json.error], [400, "InvalidRequest"]);
		assert.match(refused.json.message, /deactivate it first/);
	});
});

const CAR = "application/vnd.ipld.car";
const COLLECTION = "com.example.shell";
const RECORDS = 2_000;
const LARGE = 40;
const LARGE_BYTES = 900_000;
