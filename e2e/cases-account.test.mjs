// Deactivation and reactivation as clients observe them: sections 8, 9 and 12 of the reference cases.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AtpAgent } from "@atproto/api";

import { Caller, refused, write } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { Subscriber, lastSeq } from "./stream.mjs";

onEachHost("cases of an account", (server) => {
	const owner = new Caller(server);
	let events;
	let blob;

	test("12.9 deactivation is announced", async () => {
		blob = await upload("pearl");
		(await owner.create(NOTE, { blob }, { rkey: "k" })).expect();
		const agent = new AtpAgent({ service: server().url });
		const { handle: identifier, password } = server();
		await agent.login({ identifier, password });
		const seq = await lastSeq(server(), { accessJwt: agent.session.accessJwt });
		events = await Subscriber.open(server(), seq);
		await agent.com.atproto.server.deactivateAccount({});
		await events.count(1);
		const { header, body } = events.events.at(-1);
		assert.equal(header.t, "#account");
		const { did, active, status } = body;
		assert.deepEqual({ did, active, status }, { did: server().did, active: false, status: LEFT });
	});

	test("12.1, 12.3 reads of an inactive account are refused, except for its owner", async () => {
		const { cid } = (await owner.get("com.atproto.sync.getLatestCommit", { did: owner.did })).json;
		for (const [method, more] of [
			["getRepo", {}],
			["getLatestCommit", {}],
			["listBlobs", {}],
			["getRecord", { collection: NOTE, rkey: "k" }],
			["getBlob", { cid: blob.ref.$link }],
			["getBlocks", { cids: cid }],
		]) {
			const message = `Repo has been deactivated: ${owner.did}`;
			refused(await owner.sync(method, more), 400, "RepoDeactivated", message);
			const mine = await owner.get(`com.atproto.sync.${method}`, { did: owner.did, ...more });
			assert.equal(mine.status, 200, method);
		}
		const { did } = owner;
		const status = (await owner.sync("getRepoStatus")).expect();
		assert.deepEqual(status, { did, active: false, status: LEFT });
	});

	test("12.6 the handle does not resolve", async () => {
		const params = { handle: server().handle };
		const answer = await owner.get(RESOLVE, params, { anonymous: true });
		assert.equal(answer.status, 400);
		assert.equal(answer.json.message, "Unable to resolve handle");
	});

	test("12.7 writes are refused", async () => {
		for (const answer of [
			await owner.create(NOTE, { is: "new" }),
			await owner.put(NOTE, "k", { is: "new" }),
			await owner.delete(NOTE, "k"),
			await owner.apply([write("delete", NOTE, "k")]),
		]) {
			refused(answer, 401, "AccountDeactivated", "Account is deactivated");
		}
	});

	test("8.19, 2.6 uploads and sign-ins still work", async () => {
		await upload("another pearl");
		const { handle: identifier, password } = server();
		const agent = new AtpAgent({ service: server().url });
		const { data } = await agent.login({ identifier, password });
		assert.deepEqual([data.active, data.status], [false, LEFT]);
	});

	test("12.8, 9.15 reactivation is announced and writes continue", async () => {
		const { did, handle } = server();
		const before = events.events.length;
		(await owner.post("com.atproto.server.activateAccount")).expect();
		await events.count(before + 3);
		const [account, identity, sync] = events.events.slice(before);
		assert.deepEqual(
			[account.header.t, identity.header.t, sync.header.t],
			["#account", "#identity", "#sync"],
		);
		assert.deepEqual([account.body.active, account.body.status], [true, undefined]);
		assert.deepEqual([identity.body.did, identity.body.handle], [did, handle]);
		assert.equal(sync.body.rev, (await owner.head()).rev);
		await events.close();
		const { rev } = await owner.head();
		assert.deepEqual((await owner.sync("getRepoStatus")).expect(), { did, active: true, rev });
		(await owner.put(NOTE, "k", { is: "back" })).expect();
		assert.equal((await owner.sync("getRepo")).status, 200);
		const answer = await owner.get(RESOLVE, { handle }, { anonymous: true });
		assert.equal(answer.expect().did, did);
	});

	async function upload(text) {
		const answer = await owner.send("com.atproto.repo.uploadBlob", "text/plain", text);
		return answer.expect().blob;
	}
});

const LEFT = "deactivated";
const NOTE = "com.example.note";
const RESOLVE = "com.atproto.identity.resolveHandle";
