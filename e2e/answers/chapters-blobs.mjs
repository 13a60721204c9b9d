// Chapters about blobs: uploads, references, downloads and ranges.

import { gzipSync } from "node:zlib";

import * as CID from "@atcute/cid";

import { write } from "../cases.mjs";
import { allEvents } from "./chapters-records.mjs";
import { NOTE, OLD_TID, OTHER_CID, OTHER_DID, POST, PROFILE, RAW_CID, THEN } from "./routes.mjs";

const UPLOAD = "/xrpc/com.atproto.repo.uploadBlob";

/** Uploads of all kinds, valid and invalid. @param {import('./scene.mjs').Scene} scene */
export async function uploads(scene) {
	await scene.signIn();
	const upload = (name, body, type, headers) => scene.upload(name, body, type, headers);
	await upload("text", "pearl", "text/plain");
	await upload("the same text", "pearl", "text/plain");
	await upload("the same text as another type", "pearl", "text/markdown");
	await upload("an image", PNG, "image/png");
	await upload("an image as text", PNG, "text/plain");
	await upload("an image of any type", PNG, "*/*");
	for (const [index, [body, type]] of [
		['<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"],
		['<p align="center">hi</p>', "text/markdown"],
		["<!DOCTYPE html><html></html>", "*/*"],
		["#!/usr/bin/env python3\n", "text/x-python; charset=utf-8"],
		["\0asm\x01\0\0\0", "application/wasm"],
		["GIF89a\x01\0\x01\0", "application/octet-stream"],
		["GIF89a is a format", "text/plain"],
		[Buffer.from("ffd8ffe000104a464946", "hex"), "text/plain"],
		["RIFF\x1a\0\0\0WEBPVP8 ", "image/png"],
		["\0\0\0\x1cftypisom\0\0\x02\0isomiso2", "video/quicktime"],
		["%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "text/plain"],
		["PK\x03\x04\x14\0\0\0", "application/epub+zip"],
		["x", "text"],
		["x", "text/plain/more"],
		["x", "TEXT/Plain"],
		["x", "a/b; c=d"],
		["x", `${"a".repeat(128)}/b`],
	].entries()) {
		const bytes = typeof body === "string" ? Buffer.from(body, "latin1") : body;
		await upload(`format ${index + 1} as ${type.slice(0, 40)}`, bytes, type);
	}
	await upload("no type", "x", undefined);
	await upload("an empty type", "x", "");
	await upload("no bytes", "", "text/plain");
	await upload("no body", undefined, "text/plain");
	const path = UPLOAD;
	const chunked = { "transfer-encoding": "chunked", "content-type": "text/plain" };
	const send = (name, options) => scene.send(name, "POST", path, { ...scene.owner, ...options });
	await send("in chunks", {
		pieces: [Buffer.from("mother of "), Buffer.from("pearl")],
		headers: chunked,
	});
	await send("no chunks", { pieces: [], headers: chunked });
	const packed = Buffer.from("pearl ".repeat(1_000));
	await upload("gzip", gzipSync(packed), "text/plain", { "content-encoding": "gzip" });
	await upload("gzip that is none", packed, "text/plain", { "content-encoding": "gzip" });
	await upload(
		"gzip and garbage",
		Buffer.concat([gzipSync(packed), Buffer.from("x")]),
		"text/plain",
		{ "content-encoding": "gzip" },
	);
	await upload("br", packed, "text/plain", { "content-encoding": "br" });
	await upload("6 MiB", Buffer.alloc(6 << 20, "pearl"), "application/x-pearl");
	await upload("5 MiB, a whole part", Buffer.alloc(5 << 20, "shell"), "application/x-pearl");
	const long = Buffer.alloc(MAX_BYTES + 1);
	await upload("over the limit in gzip", gzipSync(long), "text/plain", {
		"content-encoding": "gzip",
	});
	await send("over the limit by its length", {
		pieces: [],
		headers: { "content-type": "text/plain", "content-length": String(MAX_BYTES + 1) },
		leaves: true,
	});
	for (const [name, token] of Object.entries({
		nobody: undefined,
		garbage: "abc",
		"a refresh token": scene.session.refreshJwt,
	})) {
		await scene.send(`by ${name}`, "POST", path, {
			token,
			body: "x",
			headers: { "content-type": "text/plain" },
		});
	}
	await upload("in the name of the front", "x", "text/plain", {
		"nacre-upload": `kept ${RAW_CID} 3 image/png`,
	});
	await scene.query(
		"a query in the name of the front",
		"com.atproto.server.describeServer",
		{},
		{ headers: { "nacre-upload": "begin -" } },
	);
	await sessionEndsDuringUpload(scene);
	await scene.query("the status", "com.atproto.server.checkAccountStatus", {}, scene.owner);
	await scene.sync("none is referred to", "listBlobs");
}

/** References to blobs, and downloads. */
export async function references(scene) {
	await scene.signIn();
	const events = await scene.subscribe(0);
	const bring = async (name, text, type = "text/plain") =>
		(await scene.upload(name, text, type)).expect().blob;
	const one = await bring("one", "one");
	const two = await bring("two", "two");
	const image = await bring("an image", PNG, "image/png");
	const get = (name, blob, options) =>
		scene.sync(name, "getBlob", { cid: blob.ref.$link }, options);
	const status = (name) =>
		scene.query(name, "com.atproto.server.checkAccountStatus", {}, scene.owner);
	await get("a blob that no record refers to", one);
	for (const [name, change] of Object.entries({
		"an unknown blob": { ref: { $link: RAW_CID } },
		"a CID that is no raw one": { ref: { $link: OTHER_CID } },
		"another type": { mimeType: "image/png" },
		"another size": { size: 7 },
		"a type that is none": { mimeType: "text" },
		"another key": { alt: "x" },
	})) {
		await scene.create(`a record with ${name}`, NOTE, "refused", { blob: { ...one, ...change } });
	}
	await scene.create("a record with a blob", NOTE, "a", { blob: one });
	await scene.create("another record with it", NOTE, "b", { list: [{ blob: one }, one, two] });
	await status("the status with two blobs");
	await get("a blob", one);
	await get("a blob with a token", one, scene.owner);
	await scene.sync("the list", "listBlobs");
	await scene.put("a put without the blob", NOTE, "a", { n: 1 });
	await get("a blob that one record refers to", one);
	await scene.put("a put of other blobs", NOTE, "b", { blob: two });
	await get("a blob that no record refers to any more", one);
	await status("the status with one blob");
	await scene.put("a put that brings it back", NOTE, "a", { blob: one });
	await get("a blob that is back", one);
	await scene.apply("a batch that moves it", [
		write("delete", NOTE, "a"),
		write("create", NOTE, "c", { blob: one }),
	]);
	await get("a blob that was moved", one);
	await scene.apply("a batch that drops and takes it", [
		write("update", NOTE, "c", {}),
		write("update", NOTE, "c", { blob: one }),
	]);
	await scene.delete("a delete of its record", NOTE, "c");
	await get("a blob whose record was deleted", one);
	await scene.upload("its upload again", "one", "text/plain");
	await scene.upload("its upload as another type", "one", "text/html");
	await scene.create("a record with it again", NOTE, "d", { blob: one });
	await scene.create("a record with it as another type", NOTE, "e", {
		blob: { ...one, mimeType: "text/html" },
	});
	await get("a blob with another type declared", one);
	const images = (blob) => ({ $type: "app.bsky.embed.images", images: [{ alt: "", image: blob }] });
	const post = (embed) => ({ text: "", createdAt: THEN, embed });
	await scene.create("a post with an image", POST, OLD_TID, post(images(image)));
	await scene.create("a post with a text for an image", POST, "3jzfcijpj2z2b", post(images(one)));
	await scene.put("a profile with a text for an avatar", PROFILE, "self", { avatar: one });
	await scene.put("a profile with an avatar", PROFILE, "self", { avatar: image });
	await scene.put("a profile with the avatar in the old form", PROFILE, "self", {
		avatar: { cid: image.ref.$link, mimeType: "image/png" },
	});
	await scene.put("a profile with an unknown avatar in the old form", PROFILE, "self", {
		avatar: { cid: RAW_CID, mimeType: "image/png" },
	});
	await scene.query("blobs that are missing", "com.atproto.repo.listMissingBlobs", {}, scene.owner);

	const large = await bring(
		"a large blob",
		Buffer.alloc(6 << 20, "0123456789"),
		"application/x-pearl",
	);
	const svg = await bring(
		"a drawing",
		"<svg xmlns='http://www.w3.org/2000/svg'/>",
		"image/svg+xml",
	);
	const none = await bring("a blob of no bytes", "");
	await scene.put("a record of those", NOTE, "many", { blobs: [large, svg, none] });
	for (const [name, blob] of Object.entries({
		"the large one": large,
		"the drawing": svg,
		"no bytes": none,
	})) {
		await get(`GET ${name}`, blob);
		const path = `/xrpc/com.atproto.sync.getBlob?did=${scene.server.did}&cid=${blob.ref.$link}`;
		await scene.send(`HEAD ${name}`, "HEAD", path);
		await scene.send(`HEAD ${name} in part`, "HEAD", path, { headers: { range: "bytes=0-0" } });
		const etag = `"${blob.ref.$link}"`;
		for (const [index, headers] of [
			{ range: "bytes=0-0" },
			{ range: "bytes=5-9" },
			{ range: "bytes=-5" },
			{ range: "bytes=7-" },
			{ range: "bytes=0-99999999999999999999" },
			{ range: "bytes=6291456-" },
			{ range: "bytes=-0" },
			{ range: "bytes=9-5" },
			{ range: "bytes=0-1,3-4" },
			{ range: "lines=0-1" },
			{ range: "bytes=" },
			{ range: "bytes=5242870-5242890" },
			{ range: "bytes=0-0", "if-range": etag },
			{ range: "bytes=0-0", "if-range": '"other"' },
			{ range: "bytes=0-0", "if-none-match": etag },
			{ "if-none-match": etag },
			{ "if-none-match": `W/${etag}` },
			{ "if-none-match": `"x", ${etag}` },
			{ "if-none-match": "*" },
			{ "if-none-match": '"other"' },
			{ "if-match": '"other"' },
			{ "accept-encoding": "gzip" },
			{ origin: "https://example.com" },
		].entries()) {
			await get(`GET ${name} with headers ${index + 1}`, blob, { headers });
		}
	}
	const list = (name, params) => scene.sync(name, "listBlobs", params);
	await list("all blobs");
	let cursor;
	for (let page = 1; page <= 5; page += 1) {
		const answer = await list(`page ${page} of blobs`, { limit: "2", ...(cursor && { cursor }) });
		({ cursor } = answer.expect());
		if (!cursor) break;
	}
	const { rev } = (await scene.sync("where it stands", "getLatestCommit")).expect();
	await list("blobs since the last rev", { since: rev });
	await list("blobs since long ago", { since: OLD_TID });
	await scene.put("a record since then", NOTE, "since", { blob: two });
	await scene.put("a record with what is known", NOTE, "since2", { blob: large });
	await list("blobs since then", { since: rev });
	await scene.sync("a blob of another", "getBlob", { did: OTHER_DID, cid: one.ref.$link });
	await scene.sync("a blob by the CID of a record", "getBlob", { cid: OTHER_CID });
	const { bytes } = CID.fromString(one.ref.$link);
	const hex = `f${Buffer.from(bytes).toString("hex")}`;
	await scene.sync("a blob by its CID in hexadecimal", "getBlob", { cid: hex });
	await status("the status at the end");
	await allEvents(scene, "what was told", events);
}

/** A session that ends during an upload. */
async function sessionEndsDuringUpload(scene) {
	const login = { identifier: scene.server.did, password: scene.server.password };
	const { accessJwt, refreshJwt } = (
		await scene.sendUnrecorded("POST", "/xrpc/com.atproto.server.createSession", { json: login })
	).expect();
	const end = () =>
		scene.sendUnrecorded("POST", "/xrpc/com.atproto.server.deleteSession", { token: refreshJwt });
	const pieces = [Buffer.alloc(200_000, "a"), end, Buffer.alloc(200_000, "b")];
	const headers = { "transfer-encoding": "chunked", "content-type": "text/plain" };
	await scene.send("by a session that ends meanwhile", "POST", UPLOAD, {
		token: accessJwt,
		pieces,
		headers,
	});
}

const MAX_BYTES = 100 * 1024 * 1024;
/** An image of one pixel. */
export const PNG = Buffer.from(
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
	"base64",
);
