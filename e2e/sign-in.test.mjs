// Signing in takes a fraction of a second of processor time, during which others are answered.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { Caller } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { latestCommit, procedure } from "./xrpc.mjs";

onEachHost("sign-in", (server) => {
	const owner = new Caller(server);
	const signIn = (password) =>
		procedure(server(), "com.atproto.server.createSession", {
			identifier: server().did,
			password,
		});

	test("other requests are answered while passwords are hashed", async () => {
		await owner.token();
		const file = join(server().folder, "pds.env");
		await server().stop();
		const lines = await readFile(file, "utf8");
		await writeFile(file, lines.replace(/PASSWORD_HASH=.*/, `PASSWORD_HASH='${HASH}'`));
		await server().start();
		await latestCommit(server());

		const pending = new Set();
		const signsIn = async (password, status) => {
			pending.add(password);
			assert.equal((await signIn(password)).status, status);
			pending.delete(password);
		};
		const signedIn = Promise.all([signsIn("a wrong password", 401), signsIn(PASSWORD, 200)]);
		let answered = 0;
		while (pending.size > 0) {
			(await owner.create("com.example.note", { answered })).expect();
			await latestCommit(server());
			answered += 2;
		}
		await signedIn;
		assert.ok(answered >= 20, `only ${answered} requests were answered during two hashes`);
		console.log(`${answered} requests were answered during two hashes`);
	});
});

const PASSWORD = "a slow password";
// Its hash at cost 12, which takes four times as long to check as one of cost 10.
const HASH = "$2b$12$abcdefghijklmnopqrstuuRozR8FM3pK1NK1VhdHHSkVnrY4NlH1u";
