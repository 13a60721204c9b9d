// Uploads and downloads of blobs: with the official client, in one piece and in many.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

import * as CID from "@atcute/cid";
import { AtpAgent } from "@atproto/api";

import { onEachHost } from "./hosts.mjs";
import { query, send, signIn, writer } from "./xrpc.mjs";

onEachHost("blobs", (server) => {
	test("the official client uploads and downloads an image", async () => {
		const agent = new AtpAgent({ service: server().url });
		await agent.login({ identifier: server().handle, password: server().password });
		const { data } = await agent.uploadBlob(PNG, { encoding: "image/png" });
		const { $type, ref, mimeType, size } = data.blob.original;
		assert.deepEqual([$type, mimeType, size], ["blob", "image/png", PNG.length]);
		assert.equal(ref.toString(), await cidOf(PNG));
		const blob = { did: server().did, cid: ref.toString() };
		await assert.rejects(agent.com.atproto.sync.getBlob(blob), { message: "Blob not found" });

		const post = await agent.post({
			text: "a pearl",
			embed: {
				$type: "app.bsky.embed.images",
				images: [{ alt: "a pearl", image: data.blob }],
			},
		});
		const got = await agent.com.atproto.sync.getBlob(blob);
		assert.deepEqual(Buffer.from(got.data), PNG);
		const listed = await agent.com.atproto.sync.listBlobs({ did: server().did });
		assert.deepEqual(listed.data.cids, [blob.cid]);
		const missing = await agent.com.atproto.repo.listMissingBlobs();
		assert.deepEqual(missing.data.blobs, []);
		const status = await agent.com.atproto.server.checkAccountStatus();
		assert.deepEqual([status.data.expectedBlobs, status.data.importedBlobs], [1, 1]);
		assert.deepEqual([status.data.indexedRecords, status.data.activated], [1, true]);

		await agent.deletePost(post.uri);
		await assert.rejects(agent.com.atproto.sync.getBlob(blob), { message: "Blob not found" });
	});

	test("blobs are served with headers that keep browsers from rendering them", async () => {
		// Not HTML, because wrangler injects a script into it.
		const svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
		const bytes = Buffer.from(svg);
		const blob = await kept(bytes, "image/svg+xml");
		for (const method of ["GET", "HEAD"]) {
			const {
				status,
				headers,
				bytes: body,
			} = await get(blob, { "accept-encoding": "identity" }, method);
			assert.equal(status, 200);
			assert.equal(body.length, method === "GET" ? bytes.length : 0);
			const cid = blob.ref.$link;
			for (const [name, value] of [
				["content-type", "image/svg+xml"],
				["content-length", String(bytes.length)],
				["content-security-policy", "default-src 'none'; sandbox"],
				["x-content-type-options", "nosniff"],
				["content-disposition", `attachment; filename="${cid}"`],
				["etag", `"${cid}"`],
				["cache-control", "public, max-age=31536000, immutable"],
				["access-control-allow-origin", "*"],
				["accept-ranges", "bytes"],
				["nacre-blob", null],
			]) {
				assert.equal(headers.get(name), value, `${method} ${name}`);
			}
		}
		const known = await get(blob, { "if-none-match": `"${blob.ref.$link}"` });
		assert.deepEqual([known.status, known.bytes.length], [304, 0]);
	});

	test("a large blob is uploaded and downloaded in pieces, and by range", async () => {
		const bytes = randomBytes(12 * MIB + 7);
		const blob = await kept(bytes, "application/x-pearl");
		assert.equal(blob.size, bytes.length);
		assert.equal(blob.ref.$link, await cidOf(bytes));
		assert.deepEqual(sha256((await get(blob)).bytes), sha256(bytes));
		for (const [range, first, end] of [
			["bytes=0-0", 0, 1],
			["bytes=5242870-5242890", 5_242_870, 5_242_891],
			["bytes=12582912-", 12 * MIB, bytes.length],
			["bytes=-5", bytes.length - 5, bytes.length],
		]) {
			const part = await get(blob, { range });
			assert.equal(part.status, 206, range);
			const shown = `bytes ${first}-${end - 1}/${bytes.length}`;
			assert.equal(part.headers.get("content-range"), shown);
			assert.deepEqual(Buffer.from(part.bytes), bytes.subarray(first, end), range);
		}
		const outside = await get(blob, { range: `bytes=${bytes.length}-` });
		assert.deepEqual([outside.status, outside.bytes.length], [416, 0]);
	});

	test("blobs of unknown length and of exact multiples of the part size are accepted", async () => {
		for (const size of [3, 5 * MIB, 10 * MIB]) {
			const bytes = randomBytes(size);
			const { blob } = (await upload(pieces(bytes), { duplex: "half" })).expect();
			assert.deepEqual([blob.size, blob.ref.$link], [size, await cidOf(bytes)]);
		}
	});

	test("text keeps its declared type, and binary formats are detected", async () => {
		for (const [body, declared, expected] of [
			['<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"],
			['<p align="center">hi</p>', "text/markdown"],
			["#!/usr/bin/env python3\n", "text/x-python"],
			["<rss version='2.0'></rss>", "application/rss+xml; charset=utf-8", "application/rss+xml"],
			["\0asm\x01\0\0\0", "application/x-pearl"],
			[PNG, "text/plain", "image/png"],
			["pearl", "*/*", "application/octet-stream"],
		]) {
			const headers = { "content-type": declared };
			const { blob } = (await upload(Buffer.from(body), {}, headers)).expect();
			assert.equal(blob.mimeType, expected ?? declared);
		}
	});

	test("describeServer reports the blob limit", async () => {
		const described = await send(server(), "/xrpc/com.atproto.server.describeServer");
		const limit = server().host === "native" ? LIMIT : 100_000_000;
		assert.equal(described.json.blobUploadLimit, limit);
	});

	test("encoded uploads are decoded", async () => {
		const bytes = Buffer.from("pearl ".repeat(10_000));
		const headers = { "content-encoding": "gzip" };
		const { blob } = (await upload(gzipSync(bytes), {}, headers)).expect();
		assert.deepEqual([blob.size, blob.ref.$link], [bytes.length, await cidOf(bytes)]);
		const broken = await upload(Buffer.from("this is not packed"), {}, headers);
		assert.equal(broken.status, 400);
		assert.equal(broken.json.message, "unable to decode the request body");
		const bomb = await upload(gzipSync(Buffer.alloc(LIMIT + 1)), {}, headers);
		assert.equal(bomb.status, 413);
		const other = await upload(bytes, {}, { "content-encoding": "zstd" });
		assert.equal(other.status, 415);
	});

	test("an upload is refused as soon as it exceeds the limit", async () => {
		const response = await announce(LIMIT + 1);
		assert.equal(response.status, 413);
		const { error, message } = JSON.parse(response.body);
		assert.deepEqual([error, message], ["PayloadTooLargeError", "request entity too large"]);
	});

	test("an upload without a session is refused", async () => {
		const path = "/xrpc/com.atproto.repo.uploadBlob";
		const headers = { "content-type": "image/png" };
		const anonymous = await send(server(), path, { method: "POST", headers, body: PNG });
		assert.deepEqual([anonymous.status, anonymous.json.error], [401, "AuthMissing"]);
	});

	test("an aborted upload leaves no blob", async () => {
		const before = await stored();
		const sending = await begin(20 * MIB);
		sending.on("error", () => {});
		sending.write(randomBytes(7 * MIB));
		await sleep(500);
		sending.destroy();
		for (let tries = 0; tries < 50; tries++) {
			if ((await stored()).length === before.length) break;
			await sleep(100);
		}
		assert.deepEqual(await stored(), before);
		(await upload(PNG)).expect();
	});

	/** Returns the files in the blob folder, on a host that has one. */
	async function stored() {
		if (server().host !== "native") return [];
		return (await readdir(join(server().folder, "blobs"))).sort();
	}

	async function upload(body, init = {}, headers = {}) {
		const { accessJwt } = await signIn(server());
		return send(server(), "/xrpc/com.atproto.repo.uploadBlob", {
			method: "POST",
			headers: {
				authorization: `Bearer ${accessJwt}`,
				"content-type": "application/x-pearl",
				...headers,
			},
			body,
			...init,
		});
	}

	/** Uploads a blob and creates a record that refers to it. */
	async function kept(bytes, type) {
		const { blob } = (await upload(bytes, {}, { "content-type": type })).expect();
		const { create } = writer(server(), await signIn(server()));
		await create("com.example.pearl", { blob }, `r${randomBytes(4).toString("hex")}`);
		return blob;
	}

	function get(blob, headers = {}, method = "GET") {
		const params = new URLSearchParams({ did: server().did, cid: blob.ref.$link });
		return send(server(), `/xrpc/com.atproto.sync.getBlob?${params}`, { method, headers });
	}

	/** Starts an upload of this many bytes without sending any. */
	async function begin(length) {
		const { accessJwt } = await signIn(server());
		return request(new URL("/xrpc/com.atproto.repo.uploadBlob", server().url), {
			method: "POST",
			headers: {
				authorization: `Bearer ${accessJwt}`,
				"content-type": "image/png",
				"content-length": length,
			},
		});
	}

	/** Announces a body without sending it. */
	async function announce(length) {
		const sending = await begin(length);
		sending.flushHeaders();
		const response = await new Promise((resolve, reject) => {
			sending.once("response", resolve).once("error", reject);
		});
		const body = Buffer.concat(await Array.fromAsync(response)).toString();
		sending.on("error", () => {}).destroy();
		return { status: response.statusCode, body };
	}
});

onEachHost(
	"blobs, between front and account",
	(server) => {
		test("internal upload headers are refused from clients", async () => {
			const { accessJwt } = await signIn(server());
			const cid = await cidOf(PNG);
			for (const path of ["uploadBlob", "getRecord"]) {
				const answer = await send(server(), `/xrpc/com.atproto.repo.${path}`, {
					method: "POST",
					headers: {
						authorization: `Bearer ${accessJwt}`,
						"content-type": "image/png",
						"nacre-upload": `kept ${cid} 3 image/png`,
					},
					body: PNG,
				});
				assert.equal(answer.status, 400);
				assert.equal(answer.json.message, "clients may not send the nacre-upload header");
			}
			const params = { did: server().did };
			const listed = (await query(server(), "com.atproto.sync.listBlobs", params)).expect();
			assert.deepEqual(listed.cids, []);
		});
	},
	{ only: "workerd" },
);

const MIB = 1024 * 1024;
const LIMIT = 100 * MIB;
const PNG = Buffer.from(
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
	"base64",
);

async function cidOf(bytes) {
	return CID.toString(await CID.create(0x55, bytes));
}

function sha256(bytes) {
	return createHash("sha256").update(bytes).digest("hex");
}

/** Yields bytes in pieces of an odd length. */
async function* pieces(bytes) {
	for (let at = 0; at < bytes.length; at += 99_991) yield bytes.subarray(at, at + 99_991);
}
