// Query parameters as clients in various languages send them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Caller, refused } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { send } from "./xrpc.mjs";

onEachHost("parameters", (server) => {
	const owner = new Caller(server);

	/** Calls a query with a raw query string. */
	const get = async (nsid, text) =>
		send(server(), `/xrpc/${nsid}?${text}`, {
			headers: { authorization: `Bearer ${await owner.token()}` },
		});

	test("empty optional parameters give the same answer as absent ones", async () => {
		const bytes = Buffer.from("pearl");
		const { blob } = (
			await owner.send("com.atproto.repo.uploadBlob", "text/plain", bytes)
		).expect();
		for (const rkey of ["a", "b", "c"]) (await owner.put(NOTE, rkey, { rkey, blob })).expect();
		const { cid } = await owner.head();
		for (const [nsid, required, optional] of queries(server(), blob.ref.$link, cid)) {
			const expected = await get(nsid, required);
			assert.equal(expected.status, 200, `${nsid}: ${new TextDecoder().decode(expected.bytes)}`);
			const empty = optional.map((name) => `${name}=`).join("&");
			const bare = optional.join("&");
			for (const text of [`${empty}&${required}`, `${required}&${bare}`]) {
				const answer = await get(nsid, text);
				assert.equal(answer.status, 200, `${nsid}?${text}`);
				assert.deepEqual(answer.bytes, expected.bytes, `${nsid}?${text}`);
			}
		}
	});

	test("an empty required parameter is absent", async () => {
		const did = encodeURIComponent(server().did);
		for (const [nsid, text, name] of [
			["com.atproto.repo.describeRepo", "repo=", "repo"],
			["com.atproto.repo.getRecord", `repo=${did}&collection=${NOTE}&rkey=`, "rkey"],
			["com.atproto.repo.listRecords", `repo=${did}&collection`, "collection"],
			["com.atproto.identity.resolveHandle", "handle=", "handle"],
			["com.atproto.sync.getRepo", "did=", "did"],
			["com.atproto.sync.getBlob", `did=${did}&cid=`, "cid"],
			["com.atproto.sync.getBlocks", `did=${did}&cids=&cids[]=`, "cids"],
		]) {
			const message = `Params must have the property "${name}"`;
			refused(await get(nsid, text), 400, "InvalidRequest", message);
		}
	});

	test("a repeated parameter is accepted if all other values are empty", async () => {
		const did = encodeURIComponent(server().did);
		const list = (text) => get("com.atproto.repo.listRecords", `${text}&collection=${NOTE}`);
		const page = (await list(`repo=&repo=${did}&limit=&limit=1&limit=`)).expect();
		assert.equal(page.records.length, 1);
		const twice = await list(`repo=${did}&limit=1&limit=2`);
		refused(twice, 400, "InvalidRequest", "limit must be given only once");
	});

	test("a list is accepted with and without brackets", async () => {
		const { cid } = await owner.head();
		const { cid: record } = (await owner.read(NOTE, "a")).expect();
		const blocks = (text) =>
			get("com.atproto.sync.getBlocks", `did=${encodeURIComponent(server().did)}&${text}`);
		const plain = await blocks(`cids=${cid}&cids=${record}`);
		assert.equal(plain.status, 200);
		for (const text of [
			`cids[]=${cid}&cids[]=${record}`,
			`cids%5B%5D=${cid}&cids=${record}`,
			`cids=&cids[]=${cid}&cids=${record}&cids[]=`,
		]) {
			assert.deepEqual((await blocks(text)).bytes, plain.bytes, text);
		}
	});

	test("a subscription with an empty cursor starts with the next event", async () => {
		for (const text of ["cursor=", "cursor"]) {
			const url = new URL(`/xrpc/com.atproto.sync.subscribeRepos?${text}`, server().url);
			url.protocol = "ws:";
			const socket = new WebSocket(url);
			await new Promise((resolve, reject) => {
				socket.addEventListener("open", resolve, { once: true });
				socket.addEventListener("error", reject, { once: true });
			});
			const first = new Promise((resolve) => {
				socket.addEventListener("message", resolve, { once: true });
			});
			socket.binaryType = "arraybuffer";
			const { commit } = (await owner.create(NOTE, { text })).expect();
			const frame = Buffer.from((await first).data);
			assert.ok(frame.includes(commit.rev), "the first event is that of the write");
			socket.close();
		}
	});
});

/** Every query with its required and optional parameters. */
function queries({ did: account, handle }, blob, head) {
	const did = encodeURIComponent(account);
	const record = `collection=${NOTE}&rkey=a`;
	return [
		["com.atproto.identity.resolveHandle", `handle=${handle}`, []],
		["com.atproto.repo.describeRepo", `repo=${did}`, []],
		["com.atproto.repo.getRecord", `repo=${did}&${record}`, ["cid"]],
		["com.atproto.repo.listMissingBlobs", "", ["limit", "cursor"]],
		[
			"com.atproto.repo.listRecords",
			`repo=${did}&collection=${NOTE}`,
			["limit", "cursor", "reverse", "rkeyStart", "rkeyEnd"],
		],
		["com.atproto.server.checkAccountStatus", "", []],
		["com.atproto.server.describeServer", "", []],
		["com.atproto.server.getSession", "", []],
		["com.atproto.sync.getBlob", `did=${did}&cid=${blob}`, []],
		["com.atproto.sync.getBlocks", `did=${did}&cids=${head}`, []],
		["com.atproto.sync.getCheckout", `did=${did}`, []],
		["com.atproto.sync.getHead", `did=${did}`, []],
		["com.atproto.sync.getLatestCommit", `did=${did}`, []],
		["com.atproto.sync.getRecord", `did=${did}&${record}`, ["commit"]],
		["com.atproto.sync.getRepo", `did=${did}`, ["since"]],
		["com.atproto.sync.getRepoStatus", `did=${did}`, []],
		["com.atproto.sync.listBlobs", `did=${did}`, ["since", "limit", "cursor"]],
		["com.atproto.sync.listRepos", "", ["limit", "cursor"]],
	].map(([nsid, required, optional]) => [nsid, required, [...optional, "unknown"]]);
}

const NOTE = "com.example.note";
