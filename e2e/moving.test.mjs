// Account migration: imports from another server, and the events that relays receive.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import http from "node:http";
import { test } from "node:test";

import { encode as encodeRecord, toCidLink } from "@atcute/cbor";
import * as CID from "@atcute/cid";
import { verifySigWithDidKey } from "@atcute/crypto";
import { decode, encode } from "@atproto/lex-cbor";
import { readCar, verifyRepoCar } from "@atproto/repo";

import { Caller, refused } from "./cases.mjs";
import { follow } from "./consumer.mjs";
import { onEachHost } from "./hosts.mjs";
import { carOf, hex, repositoryOf } from "./repository.mjs";
import { Subscriber, unbroken } from "./stream.mjs";
import {
	activate,
	deactivate,
	exportRepo,
	importCar,
	latestCommit,
	procedure,
	signIn,
	writer,
} from "./xrpc.mjs";

onEachHost("moving in", (server) => {
	const owner = new Caller(server);
	const session = async () => ({ accessJwt: await owner.token() });

	/** Imports into the account and activates it. Returns the answer to the import. */
	async function moveIn(records, options) {
		const signedIn = await session();
		await deactivate(server(), signedIn);
		const repository = await repositoryOf(server().did, records, options);
		const answer = (await importCar(server(), repository.car, signedIn)).expect();
		const head = await latestCommit(server(), signedIn.accessJwt);
		await activate(server(), signedIn);
		return { ...repository, answer, imported: head };
	}

	const verified = async () => {
		const { did, publicKey } = server();
		return verifyRepoCar(await exportRepo(server()), did, publicKey);
	};

	test("relays follow through a move, and every commit verifies", async () => {
		(await owner.create(THING, { n: 0 })).expect();
		const official = await follow(server(), 0);
		const raw = await Subscriber.open(server(), 0);
		const records = { [`${THING}/a`]: GOOD, [`${THING}/b`]: GOOD };
		for (const options of [{}, { rev: null, version: 2 }, { version: 2 }]) {
			const { imported, head, data, rev } = await moveIn(records, options);
			if (rev !== null) assert.deepEqual(imported, { cid: head, rev });
			const signed = await verified();
			const { blocks, roots } = await readCar(await exportRepo(server()));
			const commit = decode(blocks.get(roots[0]));
			assert.deepEqual([commit.version, String(commit.data)], [3, data]);
			assert.deepEqual(await latestCommit(server()), {
				cid: String(signed.commit.cid),
				rev: signed.commit.rev,
			});
			assert.equal(signed.creates.length, 2);
			(await owner.create(THING, { n: 1 })).expect();
			await verified();
		}
		const { uri } = (await owner.create(THING, { n: 2 })).expect();
		await official.until((event) => uri.endsWith(`/${event.rkey}`));
		await official.firehose.destroy();
		const last = official.events.at(-1).seq;
		const events = await raw.until(last);
		await raw.close();
		unbroken(events);
		const revs = events.flatMap(({ body }) => body.rev ?? []);
		// The first commit has its own #sync.
		assert.deepEqual(revs.slice(1), [...new Set(revs)].sort());
		for (const { header, body } of events) {
			if (header.t !== "#sync") continue;
			const { blocks, roots } = await readCar(body.blocks);
			const { did, publicKey } = server();
			assert.equal(roots.length, 1);
			assert.equal(blocks.size, 1);
			await isSigned(blocks.get(roots[0]), body.rev, did, publicKey);
		}
	});

	test("odd records are kept, reported, and served as far as JSON allows", async () => {
		for (const [name, bytes, shown] of ODD) {
			const { answer, blocks } = await moveIn({ [`${THING}/a`]: bytes, [`${THING}/b`]: GOOD });
			assert.equal(answer.oddRecords, 1, name);
			assert.equal(answer.oddExamples[0].path, `${THING}/a`);
			const { value } = (await owner.read(THING, "a")).expect();
			assert.deepEqual(value, { $type: THING, ...shown }, name);
			const params = { repo: server().did, collection: THING };
			const page = (await owner.get("com.atproto.repo.listRecords", params)).expect();
			assert.equal(page.records.length, 2, name);
			const exported = await readCar(await exportRepo(server()));
			const [cid] = blocks.find(([, block]) => block === bytes);
			const kept = [...exported.blocks.entries()].find((entry) => String(entry.cid) === cid);
			assert.deepEqual(Buffer.from(kept.bytes), bytes, name);
			assert.equal((await owner.operate("GET", "verify")).json.faults.length, 0, name);
		}
	});

	test("invalid CBOR is refused with paths and reasons, up to ten of them", async () => {
		const signedIn = await session();
		await deactivate(server(), signedIn);
		const records = { [`${THING}/good`]: GOOD };
		for (let n = 10; n < 30; n++) records[`${THING}/k${n}`] = hex(`a1 61 6e ff ${n}`);
		const { car } = await repositoryOf(server().did, records);
		const answer = await importCar(server(), car, signedIn);
		refused(
			answer,
			400,
			"InvalidRequest",
			/^Could not parse record at 'com.example.thing\/k\d\d': ./,
		);
		assert.equal(answer.json.message.match(/Could not parse record at/g).length, 10);
		await activate(server(), signedIn);
	});

	test("a record over 2 MiB is refused with its path", async () => {
		const signedIn = await session();
		await deactivate(server(), signedIn);
		const large = Buffer.alloc(2_500_000);
		large.writeUInt8(0x5a);
		large.writeUInt32BE(large.length - 5, 1);
		const { car } = await repositoryOf(server().did, { [`${THING}/large`]: large });
		const answer = await importCar(server(), car, signedIn);
		const message = `Could not parse record at '${THING}/large': data is too large`;
		assert.deepEqual([answer.status, answer.json.message], [400, message]);
		await activate(server(), signedIn);
	});

	test("a large repository arrives in parts under one root", async () => {
		const records = {};
		for (let n = 100; n < 180; n++) records[`${THING}/k${n}`] = numbered(n);
		const { head, blocks, rev } = await repositoryOf(server().did, records);
		const signedIn = await session();
		await deactivate(server(), signedIn);
		const cap = await cappedProxy(server(), 8_000);
		try {
			const whole = await importCar(cap, carOf(head, blocks), signedIn);
			assert.equal(whole.status, 413);
			const parts = [];
			for (let at = 0; at < blocks.length; at += 30) parts.push(blocks.slice(at, at + 30));
			const more = { "nacre-import": "more" };
			for (const part of parts.slice(0, -1)) {
				const answer = await importCar(cap, carOf(head, part), signedIn, more);
				assert.ok(answer.expect().missingBlocks > 0);
			}
			(await importCar(cap, carOf(head, parts.at(-1)), signedIn)).expect();
		} finally {
			cap.close();
		}
		assert.deepEqual(await latestCommit(server(), signedIn.accessJwt), { cid: head, rev });
		await activate(server(), signedIn);
		assert.equal((await verified()).creates.length, 80);
	});

	test("a session that ends while the body streams imports nothing", async () => {
		const signedIn = await session();
		await deactivate(server(), signedIn);
		const before = await latestCommit(server(), signedIn.accessJwt);
		const doomed = await signIn(server());
		const { car } = await repositoryOf(server().did, { [`${THING}/a`]: GOOD });
		const request = http.request(new URL("/xrpc/com.atproto.repo.importRepo", server().url), {
			method: "POST",
			headers: {
				authorization: `Bearer ${doomed.accessJwt}`,
				"content-type": "application/vnd.ipld.car",
				"content-length": car.length,
			},
		});
		const answered = new Promise((resolve, reject) => {
			request.once("response", resolve);
			request.once("error", reject);
		});
		await new Promise((resolve) => request.write(car.subarray(0, 100), resolve));
		const deleted = await procedure(
			server(),
			"com.atproto.server.deleteSession",
			undefined,
			doomed.refreshJwt,
		);
		deleted.expect();
		request.end(car.subarray(100));
		const response = await answered;
		response.resume();
		assert.equal(response.statusCode, 400);
		assert.deepEqual(await latestCommit(server(), signedIn.accessJwt), before);
		await activate(server(), signedIn);
	});

	test("a legacy avatar becomes a typed one when the profile is edited", async () => {
		const jpeg = Buffer.from("ffd8ffe000104a46494600010100000100010000", "hex");
		const cid = rawCid(jpeg);
		const map = (entries) =>
			Buffer.concat([Buffer.from([0xa0 + entries.length]), ...entries.flat()]);
		const text = (words) => Buffer.concat([Buffer.from([0x78, words.length]), Buffer.from(words)]);
		const short = (words) =>
			Buffer.concat([Buffer.from([0x60 + words.length]), Buffer.from(words)]);
		const avatar = map([
			[short("cid"), text(cid)],
			[short("mimeType"), short("image/jpeg")],
		]);
		const profile = map([
			[short("$type"), short(PROFILE)],
			[short("avatar"), avatar],
		]);
		await moveIn({ [`${PROFILE}/self`]: profile });
		const upload = await owner.send("com.atproto.repo.uploadBlob", "*/*", jpeg);
		assert.equal(upload.expect().blob.mimeType, "image/jpeg");
		const { value } = (await owner.read(PROFILE, "self")).expect();
		assert.deepEqual(value.avatar, { cid, mimeType: "image/jpeg" });
		(await owner.put(PROFILE, "self", { ...value, displayName: "Alice" })).expect();
		const edited = (await owner.read(PROFILE, "self")).expect().value;
		assert.deepEqual(edited.avatar, {
			$type: "blob",
			ref: { $link: cid },
			mimeType: "image/jpeg",
			size: jpeg.length,
		});
	});

	test("a blob uploaded before its record is imported takes the type in the record", async () => {
		const notes = Buffer.from("# Notes\n");
		const { blob } = (await owner.send("com.atproto.repo.uploadBlob", "*/*", notes)).expect();
		assert.equal(blob.mimeType, "application/octet-stream");
		const named = { ...blob, mimeType: "text/markdown" };
		const cid = blob.ref.$link;
		const ref = { $type: "blob", ref: toCidLink(CID.fromString(cid)), mimeType: "text/markdown" };
		await moveIn({ [`${THING}/a`]: encodeRecord({ $type: THING, blob: { ...ref, size: 8 } }) });
		const served = await owner.sync("getBlob", { cid });
		assert.equal(served.headers.get("content-type"), "text/markdown");
		(await owner.create(THING, { blob: named })).expect();
	});

	test("a profile keeps an imported avatar of a type that the schema refuses", async () => {
		const jpeg = Buffer.from("ffd8ffe000104a46494600010100000100010001", "hex");
		const cid = rawCid(jpeg);
		const avatar = { $type: "blob", mimeType: "image/webp", size: jpeg.length };
		const ref = toCidLink(CID.fromString(cid));
		const profile = { $type: PROFILE, avatar: { ...avatar, ref } };
		await moveIn({ [`${PROFILE}/self`]: encodeRecord(profile) });
		(await owner.send("com.atproto.repo.uploadBlob", "*/*", jpeg)).expect();
		const { value } = (await owner.read(PROFILE, "self")).expect();
		(await owner.put(PROFILE, "self", { ...value, displayName: "Alice" })).expect();
		const edited = (await owner.read(PROFILE, "self")).expect().value;
		assert.deepEqual(edited.avatar, { ...avatar, ref: { $link: cid } });
	});

	test("a blob uploaded as */* takes the type in its record", async () => {
		const readme = Buffer.from("# Nacre\n");
		const cid = rawCid(readme);
		const { create, put } = writer(server(), await session());
		(await owner.send("com.atproto.repo.uploadBlob", "*/*", readme)).expect();
		const blob = { $type: "blob", ref: { $link: cid }, mimeType: "text/markdown", size: 8 };
		await create(THING, { blob }, "readme");
		const served = await owner.sync("getBlob", { cid });
		assert.equal(served.headers.get("content-type"), "text/markdown");
		await put(THING, "readme", { blob, n: 1 });
	});
});

/** Asserts that a block is a commit of this rev under the account's key. */
async function isSigned(block, rev, did, key) {
	const { sig, ...unsigned } = decode(block);
	assert.deepEqual([unsigned.rev, unsigned.did], [rev, did]);
	assert.ok(await verifySigWithDidKey(key, sig, encode(unsigned)));
}

/** A proxy that refuses bodies over a limit, as Cloudflare does. */
async function cappedProxy(server, limit) {
	const proxy = http.createServer((request, response) => {
		if (Number(request.headers["content-length"]) > limit) {
			request.resume();
			response.writeHead(413).end();
			return;
		}
		const { method, url, headers } = request;
		const inner = http.request(new URL(url, server.url), { method, headers }, (answer) => {
			response.writeHead(answer.statusCode, answer.headers);
			answer.pipe(response);
		});
		inner.once("error", () => response.destroy());
		request.pipe(inner);
	});
	await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
	const close = () => {
		proxy.closeAllConnections();
		proxy.close();
	};
	return { url: `http://localhost:${proxy.address().port}`, did: server.did, close };
}

function rawCid(bytes) {
	const digest = createHash("sha256").update(bytes).digest();
	return CID.toString(CID.fromDigest(CID.CODEC_RAW, digest));
}

/** A record of a number from 100 to 199. */
function numbered(n) {
	return hex(`a2 616e 18${n.toString(16)} ${TYPE}`);
}

const THING = "com.example.thing";
const PROFILE = "app.bsky.actor.profile";
const TYPE = "65247479706571636f6d2e6578616d706c652e7468696e67";
const GOOD = hex(`a2 616e 01 ${TYPE}`);
const LINK = `d82a5825 00 01551220 ${"09".repeat(32)}`;
const ODD = [
	["a float", hex(`a2 616e fb3ff8000000000000 ${TYPE}`), { n: 1.5 }],
	["an integer of 2^53", hex(`a2 616e 1b0020000000000000 ${TYPE}`), { n: 2 ** 53 }],
	["undefined", hex(`a2 616e f7 ${TYPE}`), {}],
	[
		"a link to a CIDv0",
		hex(`a2 616c d82a5823 00 1220 ${"07".repeat(32)} ${TYPE}`),
		{ l: { $link: "QmNp5n7FFav5ZDaHAj6HzuhJ8LDbL1N6NRzAgT6piWS2Kx" } },
	],
	["keys out of order", hex(`a2 ${TYPE} 616e 01`), { n: 1 }],
	[
		"a blob with an extra key",
		hex(
			`a2 6162 a5 63726566 ${LINK} 6473697a65 05 652474797065 64626c6f62 656578747261 01
				686d696d6554797065 69696d6167652f706e67 ${TYPE}`.replaceAll(/\s/g, ""),
		),
		{
			b: {
				$type: "blob",
				ref: { $link: CID.toString(CID.fromDigest(CID.CODEC_RAW, Buffer.alloc(32, 9))) },
				size: 5,
				extra: 1,
				mimeType: "image/png",
			},
		},
	],
];
