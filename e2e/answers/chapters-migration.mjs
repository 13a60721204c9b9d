// Chapters about account migration and operator methods.

import { createHash } from "node:crypto";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

import { encode, toBytes, toCidLink } from "@atcute/cbor";
import * as CID from "@atcute/cid";
import { Secp256k1PrivateKeyExportable } from "@atcute/crypto";

import { write } from "../cases.mjs";
import { carOf, hex, repositoryOf } from "../repository.mjs";
import { PNG } from "./chapters-blobs.mjs";
import { allEvents } from "./chapters-records.mjs";
import {
	COMMANDS,
	NOTE,
	OLD_TID,
	OTHER_CID,
	OTHER_DID,
	PROCEDURES,
	PROFILE,
	QUERIES,
	RAW_CID,
} from "./routes.mjs";

const ACTIVATE = "com.atproto.server.activateAccount";
const DEACTIVATE = "com.atproto.server.deactivateAccount";
const STATUS = "com.atproto.server.checkAccountStatus";
const IMPORT = "/xrpc/com.atproto.repo.importRepo";

/** Every method of a deactivated account. @param {import('./scene.mjs').Scene} scene */
export async function deactivation(scene) {
	await scene.signIn();
	const events = await scene.subscribe(0);
	const { blob } = (await scene.upload("a blob", "pearl", "text/plain")).expect();
	await scene.put("a record", NOTE, "a", { blob });
	const { cid } = (await scene.sync("where it stands", "getLatestCommit")).expect();
	const leave = (name, input) => scene.procedure(name, DEACTIVATE, input, scene.owner);
	await leave("deactivate at a time that is none", { deleteAfter: "tomorrow" });
	await leave("deactivate without a body", undefined);
	await leave("deactivate", {});
	await leave("deactivate again", { deleteAfter: null });
	await leave("deactivate until a time", { deleteAfter: "2030-01-01T00:00:00Z" });
	const operator = await scene.variable("AUTH_TOKEN");
	const tokens = { nobody: undefined, "the owner": scene.owner.token, "the operator": operator };
	for (const [who, token] of Object.entries(tokens)) {
		for (const [nsid, { required }] of Object.entries(QUERIES)) {
			const params = { ...required };
			if (nsid.endsWith("getBlob")) params.cid = blob.ref.$link;
			if (nsid.endsWith("getBlocks")) params.cids = cid;
			await scene.query(`${nsid} by ${who}`, nsid, params, { token });
		}
		for (const [nsid, { input }] of Object.entries(PROCEDURES)) {
			const json = { ...input };
			delete json.swapCommit;
			await scene.procedure(`${nsid} by ${who}`, nsid, json, { token });
		}
		await scene.procedure(
			`a malformed write by ${who}`,
			"com.atproto.repo.createRecord",
			{},
			{ token },
		);
		await scene.send(`an upload by ${who}`, "POST", "/xrpc/com.atproto.repo.uploadBlob", {
			token,
			body: "another pearl",
			headers: { "content-type": "text/plain" },
		});
	}
	for (const [command, method] of Object.entries(COMMANDS)) {
		await scene.send(`${command} by the operator`, method, `/operator/${command}`, {
			token: operator,
		});
	}
	await scene.send("/", "GET", "/");
	await scene.send("health", "GET", "/xrpc/_health");
	await scene.send("the DID document", "GET", "/.well-known/did.json");
	await scene.send("the DID of the handle", "GET", "/.well-known/atproto-did", {
		host: "alice.test",
	});
	const { did: identifier, password } = scene.server;
	await scene.procedure("a sign-in", "com.atproto.server.createSession", { identifier, password });
	await scene.procedure("a refresh", "com.atproto.server.refreshSession", undefined, {
		token: scene.session.refreshJwt,
	});
	const subscriber = await scene.subscribe();
	await scene.procedure("activate", ACTIVATE, undefined, scene.owner);
	await scene.recordFrames("what a new subscriber is told", subscriber, 3);
	await scene.procedure("activate again", ACTIVATE, undefined, scene.owner);
	await scene.query("the status", STATUS, {}, scene.owner);
	await scene.sync("the public status", "getRepoStatus");
	await scene.put("a record after that", NOTE, "a", { n: 2 });
	await allEvents(scene, "what was told", events);
}

/** Valid and invalid imports. */
export async function imports(scene) {
	await scene.signIn();
	const { did } = scene.server;
	const events = await scene.subscribe(0);
	const exported = async () =>
		(await scene.sendUnrecorded("GET", `/xrpc/com.atproto.sync.getRepo?did=${did}`)).bytes;
	const empty = await exported();
	await scene.put("a record before", NOTE, "before", { n: 0 });
	const own = await exported();
	const bring = (name, body, headers = {}, options = {}) =>
		scene.send(`import: ${name}`, "POST", IMPORT, {
			...scene.owner,
			body,
			summary: name,
			...options,
			headers: { "content-type": "application/vnd.ipld.car", ...headers },
		});
	const made = async (records, options, account = did) => {
		const repository = await repositoryOf(account, records, options);
		scene.normal.hide(repository.head, "commit");
		return repository;
	};
	const look = async (name) => {
		await scene.query(`the status ${name}`, STATUS, {}, scene.owner);
		await scene.sync(`where it stands ${name}`, "getLatestCommit", {}, scene.owner);
	};
	const good = await made({
		[`${NOTE}/a`]: noteOf(1),
		[`${NOTE}/b`]: noteOf(2),
		[`${NOTE}/c`]: noteOf(3),
	});
	await bring("into an active account", good.car);
	await scene.procedure("deactivate", DEACTIVATE, {}, scene.owner);

	await bring("by nobody", good.car, {}, { token: undefined });
	await bring("by a refresh token", good.car, {}, { token: scene.session.refreshJwt });
	await bring("no body", undefined);
	await bring("an empty body", "");
	await bring("no CAR", "no CAR");
	await bring("of no type", good.car, { "content-type": "" });
	await bring("as bytes", good.car, { "content-type": "application/octet-stream" });
	await bring("as a CAR with a parameter", Buffer.from("x"), {
		"content-type": "application/vnd.ipld.car; version=1",
	});
	await bring("in br", good.car, { "content-encoding": "br" });
	await bring("in gzip that is none", good.car, { "content-encoding": "gzip" });
	const header = (value) => withLength(encode(value));
	const link = toCidLink(CID.fromString(OTHER_CID));
	for (const [name, value] of Object.entries({
		"no root": { roots: [], version: 1 },
		"two roots": { roots: [link, link], version: 1 },
		"a header of version 2": { roots: [link], version: 2 },
		"a header of no version": { roots: [link] },
		"a header that is a text": "roots",
		"a root that is a text": { roots: [OTHER_CID], version: 1 },
		"a header with another key": { roots: [link], version: 1, x: 1 },
		"a root alone": { roots: [link], version: 1 },
	})) {
		await bring(name, header(value));
	}
	await bring("a header of no length", Buffer.from([0]));
	await bring("a header that is too long", Buffer.from("ffffffff7f", "hex"));
	await bring("a length that never ends", Buffer.from("ff".repeat(12), "hex"));
	// A refused import stays staged, so each of these is another repository.
	let count = 100;
	const fresh = () =>
		made(Object.fromEntries(["a", "b", "c"].map((key) => [`${NOTE}/${key}`, noteOf(count++)])));
	for (const [name, spoil] of Object.entries({
		"half of it": ({ car }) => car.subarray(0, car.length >> 1),
		"all but a byte": ({ car }) => car.subarray(0, -1),
		"garbage at its end": ({ car }) => Buffer.concat([car, Buffer.from("x")]),
		"a damaged record": ({ car }) => {
			const damaged = Buffer.from(car);
			damaged[damaged.length - 3] ^= 1;
			return damaged;
		},
		"no commit": ({ head, blocks }) => carOf(head, blocks.slice(1)),
		"no root of the tree": ({ head, data, blocks }) =>
			carOf(
				head,
				blocks.filter(([cid]) => cid !== data),
			),
		"no records": ({ head, blocks }) => carOf(head, blocks.slice(0, -3)),
		"all but a record": ({ head, blocks }) => carOf(head, blocks.slice(0, -1)),
		"a block of another hash": ({ head, blocks }) =>
			carOf(head, [blocks[0], [OTHER_CID, noteOf(9)], ...blocks.slice(1)]),
		"a record for a root": ({ blocks }) => carOf(blocks.at(-1)[0], [...blocks].reverse()),
		"a node for a root": ({ data, blocks }) => carOf(data, blocks),
		"a root that comes last": ({ head, blocks }) => carOf(head, [...blocks].reverse()),
	})) {
		const repository = await fresh();
		await bring(name, spoil(repository));
		await bring(`${name}, then all of it`, repository.car);
	}
	await look("after those");
	await bring("of another account", (await made({ [`${NOTE}/a`]: noteOf(1) }, {}, OTHER_DID)).car);
	for (const version of [1, 2, 4]) {
		await bring(
			`a commit of version ${version}`,
			(await made({ [`${NOTE}/a`]: noteOf(1) }, { version })).car,
		);
		await look(`after version ${version}`);
	}
	await bring(
		"a rev of the future",
		(await made({ [`${NOTE}/a`]: noteOf(1) }, { rev: "izzzzzzzzzzzz" })).car,
	);
	await bring("a rev that is none", (await made({ [`${NOTE}/a`]: noteOf(1) }, { rev: "now" })).car);
	await bring("no rev", (await made({ [`${NOTE}/a`]: noteOf(1) }, { rev: null })).car);
	await bring(
		"no rev in version 2",
		(await made({ [`${NOTE}/a`]: noteOf(1) }, { rev: null, version: 2 })).car,
	);
	await look("after no rev");
	await bring(
		"with a commit before it",
		(await made({ [`${NOTE}/a`]: noteOf(1) }, { prev: OTHER_CID })).car,
	);
	await bring("nothing in it", empty);
	await look("after nothing");
	for (const [name, path] of Object.entries({
		"a path of one word": "notes",
		"a path of three": `${NOTE}/a/b`,
		"a collection that is none": "notes/a",
		"a key that is none": `${NOTE}/a b`,
		"a key of one dot": `${NOTE}/.`,
		"a key that is too long": `${NOTE}/${"k".repeat(513)}`,
		"a path of no words": "",
		"a path that is not ASCII": `${NOTE}/é`,
	})) {
		await bring(name, await treeOf(scene, [entry(path)]));
	}
	const [a, b, d] = ["a", "b", "d"].map((key) => entry(`${NOTE}/${key}`));
	for (const [name, entries] of Object.entries({
		"a prefix at the beginning": [{ ...a, p: 3 }],
		"a prefix that is too long": [a, { ...b, p: 99 }],
		"a prefix that is too short": [b, d],
		"keys out of order": [b, { ...entry("a"), p: 17 }],
		"a key twice": [a, { ...a, k: toBytes(Buffer.alloc(0)), p: 18 }],
		"keys of several heights": [a, { ...entry("b"), p: 17 }, { ...entry("d"), p: 17 }],
		"an entry of another form": [{ p: 0 }],
	})) {
		await bring(name, await treeOf(scene, entries));
	}
	await bring("a tree that is a record", await treeOf(scene, undefined));
	for (const [name, bytes] of Object.entries(ODD)) {
		const { car } = await made({ [`${NOTE}/a`]: hex(bytes), [`${NOTE}/b`]: noteOf(2) });
		const answer = await bring(`a record with ${name}`, car);
		if (answer.status !== 200) continue;
		await scene.procedure(`activate with ${name}`, ACTIVATE, undefined, scene.owner);
		await scene.query(`the list with ${name}`, "com.atproto.repo.listRecords", {
			repo: did,
			collection: NOTE,
		});
		await scene.query(`the record with ${name}`, "com.atproto.repo.getRecord", {
			repo: did,
			collection: NOTE,
			rkey: "a",
		});
		await scene.put(`a put over ${name}`, NOTE, "a", { n: 7 });
		await scene.procedure(`deactivate with ${name}`, DEACTIVATE, {}, scene.owner);
	}
	const broken = {};
	for (let n = 10; n < 30; n += 1) broken[`${NOTE}/k${n}`] = hex(`a1 61 6e ff ${n}`);
	await bring("twenty records that are no CBOR", (await made(broken)).car);
	const large = Buffer.alloc(2_500_000);
	large.writeUInt8(0x5a);
	large.writeUInt32BE(large.length - 5, 1);
	await bring("a record over 2 MiB", (await made({ [`${NOTE}/large`]: large })).car);

	await bring("good", good.car);
	await look("after the good one");
	await bring("the same again", good.car);
	await bring("in gzip", gzipSync(good.car), { "content-encoding": "gzip" });
	await bring("in another order", carOf(good.head, [...good.blocks].reverse()));
	await bring("with blocks twice", carOf(good.head, [...good.blocks, ...good.blocks]));
	await bring(
		"with blocks that nobody needs",
		carOf(good.head, [...good.blocks, ...(await made({ [`${NOTE}/z`]: noteOf(99) })).blocks]),
	);
	await bring("our own", own);
	await look("after our own");

	const many = {};
	for (let n = 100; n < 180; n += 1) many[`${NOTE}/k${n}`] = noteOf(n);
	const parts = await made(many);
	const more = { "nacre-import": "more" };
	const part = (from, to) => carOf(parts.head, parts.blocks.slice(from, to));
	await bring("a part of an odd name", part(0, 30), { "nacre-import": "part" });
	await bring("a part of no name", part(0, 10), { "nacre-import": "" });
	await bring("the first part", part(0, 30), more);
	await bring("the first part again", part(0, 30), { "nacre-import": " MORE " });
	await bring("the last part too soon", part(60), {});
	await bring("a part of another repository", good.car, more);
	await bring("the first part once more", part(0, 30), more);
	await bring("the second part", part(30, 60), more);
	await bring("a part without blocks", carOf(parts.head, []), more);
	await bring("the last part", part(60));
	await look("after the parts");
	await scene.procedure("activate", ACTIVATE, undefined, scene.owner);
	await look("after the activation");
	await scene.sync("the repository", "getRepo");
	await scene.put("a record after that", NOTE, "after", { n: 1 });
	await allEvents(scene, "what was told", events);
}

/** Blobs of imported records, which are missing until they are uploaded. */
export async function missingBlobs(scene) {
	await scene.signIn();
	const { did } = scene.server;
	const text = Buffer.from("mother of pearl");
	const cids = { text: rawCid(text), image: rawCid(PNG) };
	const blobOf = (cid, mimeType, size) => ({
		$type: "blob",
		ref: toCidLink(CID.fromString(cid)),
		mimeType,
		size,
	});
	const records = {
		[`${NOTE}/a`]: encode({ $type: NOTE, blob: blobOf(cids.text, "text/plain", text.length) }),
		[`${NOTE}/b`]: encode({ $type: NOTE, blob: blobOf(cids.text, "text/markdown", text.length) }),
		[`${NOTE}/c`]: encode({
			$type: NOTE,
			blobs: [blobOf(RAW_CID, "image/png", 1), blobOf(cids.image, "image/png", 7)],
		}),
		[`${NOTE}/old`]: encode({ $type: NOTE, image: { cid: cids.image, mimeType: "image/jpeg" } }),
		[`${PROFILE}/self`]: encode({
			$type: PROFILE,
			avatar: { cid: cids.image, mimeType: "image/png" },
		}),
	};
	const repository = await repositoryOf(did, records);
	scene.normal.hide(repository.head, "commit");
	await scene.procedure("deactivate", DEACTIVATE, {}, scene.owner);
	const missing = (name, params = {}) =>
		scene.query(name, "com.atproto.repo.listMissingBlobs", params, scene.owner);
	await missing("nothing is missing");
	await scene.send("the import", "POST", IMPORT, {
		...scene.owner,
		body: repository.car,
		summary: "a repository with blobs",
		headers: { "content-type": "application/vnd.ipld.car" },
	});
	await missing("all is missing");
	const { cursor } = (await missing("a page of one", { limit: "1" })).expect();
	await missing("the page after it", { limit: "1", cursor });
	await scene.query("the status with all missing", STATUS, {}, scene.owner);
	await scene.sync("a blob that is missing", "getBlob", { cid: cids.text }, scene.owner);
	await scene.sync("the list without them", "listBlobs", {}, scene.owner);
	await scene.upload("the upload of the text", text, "*/*");
	await scene.upload("the upload of the image", PNG, "*/*");
	await missing("one is missing");
	await scene.query("the status with one missing", STATUS, {}, scene.owner);
	await scene.sync("the text", "getBlob", { cid: cids.text }, scene.owner);
	await scene.sync("the list with them", "listBlobs", {}, scene.owner);
	await scene.procedure("activate", ACTIVATE, undefined, scene.owner);
	await scene.sync("the image", "getBlob", { cid: cids.image });
	for (const rkey of ["a", "c", "old"]) {
		const answer = await scene.query(`the record ${rkey}`, "com.atproto.repo.getRecord", {
			repo: did,
			collection: NOTE,
			rkey,
		});
		await scene.put(`the record ${rkey} edited`, NOTE, rkey, { ...answer.expect().value, n: 1 });
		await scene.query(`the record ${rkey} then`, "com.atproto.repo.getRecord", {
			repo: did,
			collection: NOTE,
			rkey,
		});
	}
	await scene.put("the profile edited", PROFILE, "self", {
		displayName: "Alice",
		avatar: { cid: cids.image, mimeType: "image/png" },
	});
	await scene.query("the profile then", "com.atproto.repo.getRecord", {
		repo: did,
		collection: PROFILE,
		rkey: "self",
	});
	await scene.create("another record of the text", NOTE, "d", {
		blob: { $type: "blob", ref: { $link: cids.text }, mimeType: "text/plain", size: text.length },
	});
	for (const rkey of ["a", "b", "c", "d", "old"])
		await scene.delete(`the delete of ${rkey}`, NOTE, rkey);
	await missing("nothing is missing any more");
	await scene.query("the status at the end", STATUS, {}, scene.owner);
}

/** Requests during an import. */
export async function concurrentImports(scene) {
	await scene.signIn();
	const operator = await scene.variable("AUTH_TOKEN");
	await scene.put("a record", NOTE, "a", { n: 1 });
	await scene.procedure("deactivate", DEACTIVATE, {}, scene.owner);
	const { car, head } = await repositoryOf(scene.server.did, { [`${NOTE}/b`]: noteOf(2) });
	scene.normal.hide(head, "commit");
	const headers = { "content-type": "application/vnd.ipld.car", "transfer-encoding": "chunked" };
	const during = (calls) => [car.subarray(0, 90), arrival, calls, car.subarray(90)];
	const send = (name, calls, token) =>
		scene.send(name, "POST", IMPORT, {
			token,
			headers,
			pieces: during(calls),
			summary: "a CAR in two pieces",
		});
	await send(
		"an import that others wait for",
		async () => {
			await scene.procedure("activate", ACTIVATE, undefined, scene.owner);
			await scene.procedure("deactivate again", DEACTIVATE, {}, scene.owner);
			await scene.put("a write", NOTE, "c", {});
			await scene.upload("an upload", "pearl", "text/plain");
			await scene.query("the status", STATUS, {}, scene.owner);
			await scene.sync("an export", "getRepo", {}, scene.owner);
			for (const [command, method] of Object.entries(COMMANDS)) {
				await scene.send(command, method, `/operator/${command}`, { token: operator });
			}
			await scene.send("another import", "POST", IMPORT, {
				...scene.owner,
				body: car,
				summary: "the same CAR",
				headers: { "content-type": "application/vnd.ipld.car" },
			});
			await scene.send("reset after that", "POST", "/operator/reset", { token: operator });
		},
		scene.owner.token,
	);
	await scene.query("the status after it", STATUS, {}, scene.owner);
	const login = { identifier: scene.server.did, password: scene.server.password };
	const doomed = (
		await scene.sendUnrecorded("POST", "/xrpc/com.atproto.server.createSession", { json: login })
	).expect();
	const end = () =>
		scene.sendUnrecorded("POST", "/xrpc/com.atproto.server.deleteSession", {
			token: doomed.refreshJwt,
		});
	await send("an import whose session ends meanwhile", end, doomed.accessJwt);
	await scene.query("the status after that", STATUS, {}, scene.owner);
	await scene.procedure("activate after all", ACTIVATE, undefined, scene.owner);
}

/** Operator methods on a consistent account and on a damaged one. */
export async function operator(scene) {
	await scene.signIn();
	const token = await scene.variable("AUTH_TOKEN");
	const operate = (name, command, options = {}) =>
		scene.send(name, COMMANDS[command], `/operator/${command}`, { token, ...options });
	await operate("verify an empty account", "verify");
	const { blob } = (await scene.upload("a blob", "pearl", "text/plain")).expect();
	await scene.upload("another blob", "shell", "text/plain");
	const writes = Array.from({ length: 40 }, (_, n) => write("create", NOTE, `k${n}`, { n }));
	await scene.apply("records", [...writes, write("create", NOTE, "blob", { blob })]);
	await operate("verify", "verify");
	await operate("heal", "heal");
	await operate("relays", "relays");
	await operate("claim", "claim");
	await operate("reset", "reset");
	await operate("emit an identity", "emit-identity");
	for (const command of ["verify", "heal", "emit-identity"]) {
		await operate(`${command} by the owner`, command, scene.owner);
		await operate(`${command} with parameters`, command, {});
		await operate(`${command} with Basic`, command, {
			token: undefined,
			headers: { authorization: "Basic YWRtaW46YWRtaW4=" },
		});
	}
	if (scene.host === "native") {
		const folder = join(scene.server.folder, "blobs");
		for (const name of await readdir(folder, { recursive: true })) {
			if (name.includes(blob.ref.$link)) await rm(join(folder, name));
		}
		await writeFile(join(folder, rawCid(Buffer.from("stray"))), "stray");
		await operate("verify with a blob lost and a stray one", "verify");
		await scene.sync("the blob that is lost", "getBlob", { cid: blob.ref.$link });
		await operate("heal a blob lost and a stray one", "heal");
		await operate("verify after that", "verify");
		await scene.sync("the blob after that", "getBlob", { cid: blob.ref.$link });
		await scene.query(
			"blobs that are missing",
			"com.atproto.repo.listMissingBlobs",
			{},
			scene.owner,
		);
		await scene.upload("the blob again", "pearl", "text/plain");
		await scene.sync("the blob that is back", "getBlob", { cid: blob.ref.$link });
	}
	const subscriber = await scene.subscribe(0);
	await subscriber.count(5);
	await operate("relays with a subscriber", "relays");
	await subscriber.close();
}

/** Returns the entry of a tree node for a record. */
function entry(path) {
	const v = toCidLink(CID.fromString(cidOf(noteOf(1))));
	return { k: toBytes(Buffer.from(path)), p: 0, t: null, v };
}

/** Returns the CAR of a repository whose tree is one node of these entries, valid or not. */
async function treeOf(scene, e) {
	const node = e ? encode({ e, l: null }) : encode({ is: "no node" });
	const data = toCidLink(CID.fromString(cidOf(node)));
	const commit = { did: scene.server.did, version: 3, data, prev: null, rev: OLD_TID };
	const key = await Secp256k1PrivateKeyExportable.createKeypair();
	commit.sig = toBytes(await key.sign(encode(commit)));
	const head = cidOf(encode(commit));
	scene.normal.hide(head, "commit");
	const blocks = [encode(commit), node, noteOf(1)].map((bytes) => [cidOf(bytes), bytes]);
	return carOf(head, blocks);
}

/** Waits until the bytes sent so far have arrived. */
const arrival = () => sleep(1_000);

/** Returns bytes with their length in front. */
function withLength(bytes) {
	return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function rawCid(bytes) {
	return cidOf(bytes, CID.CODEC_RAW);
}

function cidOf(bytes, codec = CID.CODEC_DCBOR) {
	const digest = createHash("sha256").update(bytes).digest();
	return CID.toString(CID.fromDigest(codec, digest));
}

function noteOf(n) {
	return Buffer.from(encode({ $type: NOTE, n }));
}

const TYPE = "652474797065 70 636f6d2e6578616d706c652e6e6f7465";
const LINK = `d82a5825 00 01551220 ${"09".repeat(32)}`;
/** Records that break today's rules, in hexadecimal. */
const ODD = {
	"a float": `a2 616e fb3ff8000000000000 ${TYPE}`,
	"an integer of 2^53": `a2 616e 1b0020000000000000 ${TYPE}`,
	undefined: `a2 616e f7 ${TYPE}`,
	"a link to a CIDv0": `a2 616c d82a5823 00 1220 ${"07".repeat(32)} ${TYPE}`,
	"keys out of order": `a2 ${TYPE} 616e 01`,
	"a key twice": `a3 616e 01 616e 02 ${TYPE}`,
	"no type": "a1 616e 01",
	"another type": "a1 652474797065 61 78",
	"an array": "80",
	"a number": "01",
	"text that is not UTF-8": `a2 616e 61ff ${TYPE}`,
	"an endless map": "bf ff",
	"bytes after it": "a0 00",
	"nothing at all": "",
	"a tag": `a2 616e c000 ${TYPE}`,
	"a blob": `a2 6162 a4 63726566 ${LINK} 6473697a65 05 652474797065 64626c6f62 686d696d6554797065 69696d6167652f706e67 ${TYPE}`,
};
