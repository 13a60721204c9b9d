// Content codings of requests on both hosts, and of responses on the native host.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { test } from "node:test";
import { deflateRawSync, deflateSync, gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";

import * as CID from "@atcute/cid";

import { Caller, refused } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { exportRepo } from "./xrpc.mjs";

onEachHost("encoded requests", (server) => {
	const owner = new Caller(server);
	const create = (body, headers) => owner.send(CREATE, "application/json", body, headers);
	const upload = (body, headers) => owner.send(UPLOAD, "text/plain", body, headers);
	const bring = (body, headers) => owner.send(IMPORT, CAR, body, headers);
	const note = () =>
		Buffer.from(JSON.stringify({ repo: server().did, collection: NOTE, record: { a: "pearl" } }));
	/** Runs a function while the account is inactive. */
	const whileInactive = async (work) => {
		(await owner.post("com.atproto.server.deactivateAccount", {})).expect();
		try {
			await work();
		} finally {
			(await owner.post("com.atproto.server.activateAccount")).expect();
		}
	};
	/** Encodes bytes in each supported coding. */
	const codings = (bytes) => [
		["gzip", gzipSync(bytes)],
		["GZIP", Buffer.concat([gzipSync(bytes.subarray(0, 9)), gzipSync(bytes.subarray(9))])],
		["x-gzip", gzipSync(bytes)],
		["deflate", deflateSync(bytes)],
		["deflate", deflateRawSync(bytes)],
		["identity", bytes],
	];

	test("JSON is decoded", async () => {
		for (const [coding, body] of codings(note())) {
			(await create(body, { "content-encoding": coding })).expect();
		}
	});

	test("a byte order mark before JSON is skipped", async () => {
		(await create(Buffer.concat([Buffer.from("efbbbf", "hex"), note()]))).expect();
	});

	test("an uploaded blob is decoded before it is hashed", async () => {
		for (const bytes of [
			Buffer.from("pearl ".repeat(10)),
			Buffer.alloc(300_000, "mother of pearl"),
		]) {
			for (const [coding, body] of codings(bytes)) {
				const { blob } = (await upload(body, { "content-encoding": coding })).expect();
				assert.deepEqual([blob.size, blob.ref.$link], [bytes.length, await cidOf(bytes)], coding);
			}
		}
	});

	test("a CAR is decoded as it is read", async () => {
		for (let number = 0; number < 20; number++) (await owner.create(NOTE, { number })).expect();
		const car = await exportRepo(server());
		const { cid } = await owner.head();
		await whileInactive(async () => {
			for (const [coding, body] of codings(Buffer.from(car))) {
				(await bring(body, { "content-encoding": coding })).expect();
			}
		});
		assert.equal((await owner.head()).cid, cid);
	});

	test("unsupported codings are refused, not ignored", async () => {
		for (const [coding, named] of [
			["zstd", "zstd"],
			["br", "br"],
			["gzip, gzip", "more than one coding"],
			["deflate, br", "more than one coding"],
		]) {
			const headers = { "content-encoding": coding };
			const message = `unsupported Content-Encoding: ${named}; send gzip, deflate or identity`;
			for (const answer of [
				await create(note(), headers),
				await create(zstdCompressSync(note()), headers),
				await upload("pearl", headers),
				await bring("pearl", headers),
				await owner.send("com.atproto.server.activateAccount", "text/plain", "x", headers),
			]) {
				refused(answer, 415, "UnsupportedMediaType", message);
			}
		}
	});

	test("a body that does not decode is refused", async () => {
		const car = Buffer.from(await exportRepo(server()));
		const refusesAll = async (call, bytes) => {
			for (const [coding, body] of [
				["gzip", bytes],
				["deflate", Buffer.concat([Buffer.from([0xff]), bytes])],
				["gzip", gzipSync(bytes).subarray(0, -1)],
				["gzip", gzipSync(bytes).subarray(0, 15)],
				["deflate", deflateSync(bytes).subarray(0, -1)],
				["gzip", Buffer.concat([gzipSync(bytes), Buffer.from("garbage")])],
				["deflate", Buffer.concat([deflateSync(bytes), Buffer.from("garbage")])],
			]) {
				const answer = await call(body, { "content-encoding": coding });
				refused(answer, 400, "InvalidRequest", "unable to decode the request body");
			}
		};
		await refusesAll(create, note());
		await refusesAll(upload, Buffer.from("pearl ".repeat(1_000)));
		await whileInactive(() => refusesAll(bring, car));
	});

	test("limits count decoded bytes", async () => {
		const bomb = gzipSync(Buffer.alloc(20 * MIB, " "));
		const answer = await create(bomb, { "content-encoding": "gzip" });
		refused(answer, 413, "PayloadTooLargeError", "request entity too large");
	});

	test("an empty upload is an empty blob", async () => {
		const none = new Uint8Array(0);
		const announced = (await upload(none)).expect().blob;
		const chunked = await chunkedUpload([]);
		assert.deepEqual(chunked.blob, announced);
		assert.deepEqual(announced, {
			$type: "blob",
			ref: { $link: await cidOf(none) },
			mimeType: "text/plain",
			size: 0,
		});
		(await owner.put(NOTE, "empty", { blob: announced })).expect();
		const got = await owner.sync("getBlob", { cid: announced.ref.$link });
		assert.deepEqual([got.status, got.bytes.length], [200, 0]);
		assert.equal(got.headers.get("content-type"), "text/plain");
		const { cids } = (await owner.sync("listBlobs")).expect();
		assert.ok(cids.includes(announced.ref.$link));
		const message = "A request body is expected but none was provided";
		refused(await create(none), 400, "InvalidRequest", message);
	});

	/** Uploads a body of unknown length. */
	async function chunkedUpload(pieces) {
		const authorization = `Bearer ${await owner.token()}`;
		const sending = request(new URL(`/xrpc/${UPLOAD}`, server().url), {
			method: "POST",
			headers: { authorization, "content-type": "text/plain", "transfer-encoding": "chunked" },
		});
		for (const piece of pieces) sending.write(piece);
		sending.end();
		const response = await new Promise((resolve, reject) => {
			sending.once("response", resolve).once("error", reject);
		});
		const text = Buffer.concat(await Array.fromAsync(response)).toString();
		assert.equal(response.statusCode, 200, text);
		return JSON.parse(text);
	}
});

onEachHost(
	"encoded responses",
	(server) => {
		const owner = new Caller(server);

		/** Sends a request and does not decode its response. */
		async function raw(path, headers, method = "GET") {
			const sending = request(new URL(path, server().url), { method, headers }).end();
			const response = await new Promise((resolve, reject) => {
				sending.once("response", resolve).once("error", reject);
			});
			const bytes = Buffer.concat(await Array.fromAsync(response));
			return { headers: response.headers, bytes };
		}

		test("large JSON and CARs are compressed for clients that accept it", async () => {
			for (let number = 0; number < 20; number++) {
				(await owner.create(NOTE, { number, text: "pearl ".repeat(20) })).expect();
			}
			const did = encodeURIComponent(server().did);
			for (const path of [
				`/xrpc/com.atproto.repo.listRecords?repo=${did}&collection=${NOTE}`,
				`/xrpc/com.atproto.sync.getRepo?did=${did}`,
			]) {
				const plain = await raw(path, {});
				assert.equal(plain.headers["content-encoding"], undefined);
				assert.match(plain.headers.vary, /accept-encoding/i);
				for (const accepted of ["gzip", "br, gzip;q=0.5", "*"]) {
					const { headers, bytes } = await raw(path, { "accept-encoding": accepted });
					assert.equal(headers["content-encoding"], "gzip", accepted);
					assert.match(headers.vary, /accept-encoding/i);
					assert.ok(bytes.length < plain.bytes.length);
					assert.deepEqual(gunzipSync(bytes), plain.bytes);
				}
				for (const accepted of ["", "br", "identity", "gzip;q=0", "*;q=0"]) {
					const { headers, bytes } = await raw(path, { "accept-encoding": accepted });
					assert.equal(headers["content-encoding"], undefined, accepted);
					assert.deepEqual(bytes, plain.bytes);
				}
				const head = await raw(path, { "accept-encoding": "gzip" }, "HEAD");
				assert.equal(head.headers["content-encoding"], undefined);
			}
		});

		test("small responses and blobs are not compressed", async () => {
			const bytes = Buffer.from("pearl ".repeat(1_000));
			const { blob } = (await owner.send(UPLOAD, "application/json", bytes)).expect();
			(await owner.put(NOTE, "blob", { blob })).expect();
			const did = encodeURIComponent(server().did);
			const path = `/xrpc/com.atproto.sync.getBlob?did=${did}&cid=${blob.ref.$link}`;
			for (const headers of [{}, { range: "bytes=0-1999" }]) {
				const got = await raw(path, { "accept-encoding": "gzip", ...headers });
				assert.equal(got.headers["content-encoding"], undefined);
				assert.deepEqual(got.bytes, headers.range ? bytes.subarray(0, 2_000) : bytes);
			}
			const small = `/xrpc/com.atproto.sync.getLatestCommit?did=${did}`;
			const got = await raw(small, { "accept-encoding": "gzip" });
			assert.equal(got.headers["content-encoding"], undefined);
		});

		test("responses state the idle timeout of connections", async () => {
			const { headers } = await raw("/xrpc/_health", { connection: "keep-alive" });
			assert.equal(headers["keep-alive"], "timeout=90");
			const closed = await raw("/xrpc/_health", { connection: "close" });
			assert.equal(closed.headers["keep-alive"], undefined);
		});

		test("a client still sending a large body receives the refusal", async () => {
			// Larger than the buffers between client and server.
			const large = randomBytes(24 * MIB);
			for (const [nsid, type, coding, status] of [
				[CREATE, "application/json", "identity", 413],
				[CREATE, "application/json", "br", 415],
				[UPLOAD, "image/png", "gzip", 400],
				[UPLOAD, "image/png", "br", 415],
				[IMPORT, CAR, "zstd", 415],
			]) {
				const answer = await owner.send(nsid, type, large, { "content-encoding": coding });
				assert.equal(answer.status, status, `${nsid}, ${coding}`);
			}
		});
	},
	{ only: "native" },
);

async function cidOf(bytes) {
	return CID.toString(await CID.create(0x55, bytes));
}

const CREATE = "com.atproto.repo.createRecord";
const UPLOAD = "com.atproto.repo.uploadBlob";
const IMPORT = "com.atproto.repo.importRepo";
const CAR = "application/vnd.ipld.car";
const NOTE = "com.example.note";
const MIB = 1024 * 1024;
