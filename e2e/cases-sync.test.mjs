// Blobs, imports and sync reads as clients observe them: sections 8, 9, 12 and 13 of the reference
// cases, except for those that need another kind of account.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import * as CID from "@atcute/cid";
import { readCar, verifyProofs, verifyRepoCar } from "@atproto/repo";

import { Caller, refused, write } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { activate, deactivate, exportRepo, latestCommit, procedure, send } from "./xrpc.mjs";

onEachHost("cases of blobs", (server) => {
	const owner = new Caller(server);
	const upload = async (bytes, type = "application/x-pearl", headers = {}) =>
		(await owner.send("com.atproto.repo.uploadBlob", type, bytes, headers)).expect().blob;
	const get = (blob) => owner.sync("getBlob", { cid: blob.ref.$link });
	const listed = async (params = {}) => (await owner.sync("listBlobs", params)).expect();
	const missing = (answer) => refused(answer, 400, "InvalidRequest", "Blob not found");

	test("8.1 to 8.4 an upload returns its CID, type and size", async () => {
		const blob = await upload(PNG, "text/plain");
		assert.deepEqual(blob, {
			$type: "blob",
			ref: { $link: CID.toString(await CID.create(0x55, PNG)) },
			mimeType: "image/png",
			size: PNG.length,
		});
		assert.deepEqual(await upload(PNG, "image/png"), blob);
		const text = Buffer.from("pearl ".repeat(100));
		const plain = await upload(text);
		assert.equal(plain.mimeType, "application/x-pearl");
		const packed = await upload(gzipSync(text), undefined, { "content-encoding": "gzip" });
		assert.deepEqual(packed, plain);
	});

	test("8.6 to 8.9 a record may only refer to an uploaded blob by its type and size", async () => {
		const blob = await upload(Buffer.from("one"));
		for (const [change, name, message] of [
			[{ ref: { $link: RAW } }, "BlobNotFound", `Could not find blob: ${RAW}`],
			[
				{ mimeType: "image/png" },
				"InvalidMimeType",
				"Referenced Mimetype does not match stored blob. " +
					"Expected: application/x-pearl, Got: image/png",
			],
			[
				{ size: 7 },
				"InvalidSize",
				"Referenced Size does not match stored blob. Expected: 3, Got: 7",
			],
		]) {
			const answer = await owner.create(NOTE, { blob: { ...blob, ...change } });
			refused(answer, 400, name, message);
		}
		const profile = { avatar: blob };
		const answer = await owner.put("app.bsky.actor.profile", "self", profile);
		refused(answer, 400, "InvalidRequest", /^Invalid app\.bsky\.actor\.profile record: /);
	});

	test("8.10, 8.12 unreferenced and unknown blobs are neither served nor listed", async () => {
		const blob = await upload(Buffer.from("nobody's"));
		missing(await get(blob));
		assert.ok(!(await listed()).cids.includes(blob.ref.$link));
		missing(await owner.sync("getBlob", { cid: "beans" }));
		missing(await owner.sync("getBlob", { cid: RAW }));
	});

	test("8.11 a blob is served with the headers of untrusted content", async () => {
		const blob = await upload(PNG);
		(await owner.create(NOTE, { blob })).expect();
		const { status, headers, bytes } = await get(blob);
		assert.equal(status, 200);
		assert.deepEqual(Buffer.from(bytes), PNG);
		assert.equal(headers.get("content-type"), "image/png");
		assert.equal(headers.get("content-length"), String(PNG.length));
		assert.equal(headers.get("x-content-type-options"), "nosniff");
		assert.equal(headers.get("content-security-policy"), "default-src 'none'; sandbox");
		const file = `attachment; filename="${blob.ref.$link}"`;
		assert.equal(headers.get("content-disposition"), file);
	});

	test("8.13 blobs are listed by CID, paginated, and since a rev", async () => {
		for (let number = 0; number < 5; number++) {
			const blob = await upload(Buffer.from(`listed ${number}`));
			(await owner.create(NOTE, { blob })).expect();
		}
		const { rev } = await owner.head();
		const last = await upload(Buffer.from("the last"));
		(await owner.create(NOTE, { blob: last })).expect();
		const all = (await listed()).cids;
		assert.deepEqual(all, all.toSorted());
		const found = [];
		let cursor;
		do {
			const page = await listed({ limit: 2, ...(cursor && { cursor }) });
			found.push(...page.cids);
			cursor = page.cursor;
		} while (cursor);
		assert.deepEqual(found, all);
		assert.deepEqual((await listed({ since: rev })).cids, [last.ref.$link]);
	});

	test("8.14 to 8.16 a blob is kept while a record refers to it", async () => {
		const blob = await upload(Buffer.from("shared"));
		for (const rkey of ["s1", "s2"]) (await owner.put(NOTE, rkey, { blob })).expect();
		(await owner.delete(NOTE, "s1")).expect();
		assert.equal((await get(blob)).status, 200);
		const moved = [write("delete", NOTE, "s2"), write("create", NOTE, "s3", { blob })];
		(await owner.apply(moved)).expect();
		assert.equal((await get(blob)).status, 200);
		(await owner.put(NOTE, "s3", {})).expect();
		missing(await get(blob));
	});
});

onEachHost("cases of import", (server) => {
	const owner = new Caller(server);
	const bring = (car) => owner.send("com.atproto.repo.importRepo", CAR, car);

	test("9.2, 9.4 an import of anything but a repository of the account is refused", async () => {
		await owner.post("com.atproto.server.deactivateAccount", {});
		for (const roots of [[], [RAW, RAW]]) {
			refused(await bring(carOf(roots)), 400, "InvalidRequest", "expected one root");
		}
		const path = "/xrpc/com.atproto.repo.importRepo";
		const init = { method: "POST", headers: { "content-type": CAR }, body: "x" };
		assert.equal((await send(server(), path, init)).status, 401);
		await activate(server(), { accessJwt: await owner.token() });
	});

	test("9.5 to 9.9 a repository is imported, and counts and lists match", async () => {
		const pearl = Buffer.from("pearl");
		const uploaded = await owner.send("com.atproto.repo.uploadBlob", "text/plain", pearl);
		const { blob } = uploaded.expect();
		(await owner.put(NOTE, "kept", { blob })).expect();
		const first = await exportRepo(server());
		const head = await owner.head();
		(await owner.put(NOTE, "kept", { n: 1 })).expect();
		(await owner.put(NOTE, "more", {})).expect();
		const second = await exportRepo(server());

		const session = { accessJwt: await owner.token() };
		const ownHead = () => latestCommit(server(), session.accessJwt);
		await deactivate(server(), session);
		for (const [car, expected, records] of [
			[first, 1, 1],
			[second, 0, 2],
			[first, 1, 1],
		]) {
			assert.equal((await bring(car)).status, 200);
			for (const name of ["checkAccountStatus", "getAccountStatus"]) {
				const status = (await owner.get(`com.atproto.server.${name}`)).expect();
				const { cid: repoCommit, rev: repoRev } = await ownHead();
				assert.deepEqual(status, {
					activated: false,
					validDid: true,
					repoCommit,
					repoRev,
					repoBlocks: (await readCar(car)).blocks.cids().length,
					indexedRecords: records,
					privateStateValues: 0,
					expectedBlobs: expected,
					importedBlobs: expected,
				});
			}
		}
		assert.deepEqual(await ownHead(), head);
		await activate(server(), session);
		const { blobs } = (await owner.get("com.atproto.repo.listMissingBlobs")).expect();
		assert.deepEqual(blobs, []);
		(await owner.put(NOTE, "own", {})).expect();
		const { did, publicKey } = server();
		assert.equal(
			(await verifyRepoCar(await exportRepo(server()), did, publicKey)).creates.length,
			2,
		);
	});
});

onEachHost("cases of sync", (server) => {
	const owner = new Caller(server);
	const unknown = { did: "did:web:other.test" };

	test("12.2 an unknown repository is not found", async () => {
		const params = { ...unknown, cid: RAW, cids: RAW, collection: NOTE, rkey: "x" };
		for (const method of [
			"getRepo",
			"getLatestCommit",
			"listBlobs",
			"getRecord",
			"getBlob",
			"getBlocks",
		]) {
			const answer = await owner.sync(method, params);
			const message = "Could not find repo for DID: did:web:other.test";
			refused(answer, 400, "RepoNotFound", message);
		}
	});

	test("12.4, 12.5 status and head of repositories", async () => {
		const { cid: head, rev } = await owner.head();
		const { did } = server();
		assert.deepEqual((await owner.sync("getRepoStatus")).expect(), { did, active: true, rev });
		const { repos } = (await owner.sync("listRepos")).expect();
		assert.deepEqual(repos, [{ did, head, rev, active: true }]);
		const answer = await owner.sync("listRepos", { cursor: "x" });
		refused(answer, 400, "InvalidRequest", "Malformed cursor");
	});

	test("13.1, 13.2 an export verifies, and one since a rev is smaller", async () => {
		for (const rkey of ["a", "b", "c"]) (await owner.put(NOTE, rkey, { rkey })).expect();
		const whole = await owner.sync("getRepo");
		assert.equal(whole.headers.get("content-type"), "application/vnd.ipld.car");
		const { did, publicKey } = server();
		assert.equal((await verifyRepoCar(whole.bytes, did, publicKey)).creates.length, 3);
		const { rev } = await owner.head();
		(await owner.put(NOTE, "d", {})).expect();
		const newer = await readCar(await exportRepo(server(), rev));
		const { cid } = (await owner.read(NOTE, "d")).expect();
		assert.ok(newer.blocks.cids().map(String).includes(cid));
	});

	test("13.3, 13.4 presence and absence of a record are proved", async () => {
		const { did, publicKey } = server();
		for (const [rkey, exists] of [
			["a", true],
			["absent", false],
		]) {
			const params = { collection: NOTE, rkey };
			const { bytes } = await owner.sync("getRecord", params);
			const cid = exists ? (await owner.read(NOTE, rkey)).expect().cid : null;
			const { blocks } = await readCar(bytes);
			const claims = [{ ...params, cid: cid && blocks.cids().find((one) => `${one}` === cid) }];
			const { verified } = await verifyProofs(bytes, claims, did, publicKey);
			assert.equal(verified.length, 1, rkey);
		}
	});

	test("13.5 the latest commit, also by its deprecated method", async () => {
		const { cid } = await owner.head();
		assert.deepEqual((await owner.sync("getHead")).expect(), { root: cid });
		const message = "Could not find root for DID: did:web:other.test";
		refused(await owner.sync("getHead", unknown), 400, "HeadNotFound", message);
	});

	test("13.6 to 13.8 existing blocks are returned, also those of equal records", async () => {
		for (const rkey of ["twin1", "twin2"]) (await owner.put(NOTE, rkey, { is: "twin" })).expect();
		(await owner.delete(NOTE, "twin1")).expect();
		const { cid } = (await owner.read(NOTE, "twin2")).expect();
		const { status, bytes } = await owner.sync("getBlocks", { cids: cid });
		assert.equal(status, 200);
		const car = await readCar(bytes);
		assert.deepEqual([car.roots, car.blocks.cids().map(String)], [[], [cid]]);
		const answer = await owner.sync("getBlocks", { cids: RAW });
		refused(answer, 400, "InvalidRequest", `Could not find cids: ${RAW}`);
	});
});

onEachHost("cases of relays", (server) => {
	test("13.10 a request to crawl is accepted and ignored", async () => {
		for (const method of ["requestCrawl", "notifyOfUpdate"]) {
			const ask = (input) => procedure(server(), `com.atproto.sync.${method}`, input);
			assert.equal((await ask({ hostname: "pds.example.com" })).status, 200);
			for (const input of [undefined, {}, { hostname: 1 }, []]) {
				assert.equal((await ask(input)).status, 400);
			}
		}
	});
});

/** Returns a CAR with these roots and no blocks. */
function carOf(roots) {
	const links = roots.map((root) => {
		const { bytes } = CID.fromString(root);
		return Buffer.concat([Buffer.from([0xd8, 0x2a, 0x58, bytes.length + 1, 0]), bytes]);
	});
	const header = Buffer.concat([
		Buffer.from("\xa2\x65roots", "latin1"),
		Buffer.from([0x80 + links.length]),
		...links,
		Buffer.from("\x67version\x01", "latin1"),
	]);
	return Buffer.concat([Buffer.from([header.length]), header]);
}

const CAR = "application/vnd.ipld.car";
const NOTE = "com.example.note";
const RAW = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
const PNG = Buffer.from(
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
	"base64",
);
