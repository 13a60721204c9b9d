// The operator routes, called with the operator's token.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Caller, refused } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { Subscriber } from "./stream.mjs";

onEachHost("operator", (server) => {
	const owner = new Caller(server);

	const operate = (method, command, token) => owner.operate(method, command, token);

	test("verify finds no fault, in blobs either, and heal has nothing to do", async () => {
		const type = "text/plain";
		for (const [rkey, text] of Object.entries({ a: "pearl", b: "shell" })) {
			const sent = await owner.send("com.atproto.repo.uploadBlob", type, text);
			(await owner.create(NOTE, { blob: sent.expect().blob }, { rkey })).expect();
		}
		(await owner.create(NOTE, { is: "plain" })).expect();
		const found = (await operate("GET", "verify")).expect();
		assert.deepEqual([found.faults, found.records, found.blobs], [[], 3, 2]);
		const healed = (await operate("POST", "heal")).expect();
		assert.deepEqual([healed.found, healed.faults, healed.records], [[], [], 3]);
	});

	test("emit-identity tells subscribers to refresh the identity", async () => {
		const subscriber = await Subscriber.open(server());
		const { seq } = (await operate("POST", "emit-identity")).expect();
		const [{ header, body }] = await subscriber.until(seq);
		assert.equal(header.t, "#identity");
		assert.deepEqual([body.did, body.handle], [server().did, server().handle]);
		await subscriber.close();
	});

	test("operator routes refuse other callers", async () => {
		for (const [method, command] of [
			["GET", "verify"],
			["POST", "heal"],
			["GET", "relays"],
			["POST", "emit-identity"],
			["POST", "claim"],
			["POST", "reset"],
		]) {
			const message = "This method requires the server's AUTH_TOKEN";
			const answer = await operate(method, command, await owner.token());
			refused(answer, 401, "AuthenticationRequired", message);
		}
	});
});

const NOTE = "com.example.note";
