// Settings as clients see them: sign-in names, the e-mail address, spellings of the DID, formats of env
// files, and variables that change after the first start.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { Caller, refused } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { procedure, query, send } from "./xrpc.mjs";

onEachHost("settings", (server) => {
	const owner = new Caller(server);
	const signIn = (identifier) =>
		procedure(server(), "com.atproto.server.createSession", {
			identifier,
			password: server().password,
		});

	/** Restarts the server with another `pds.env`. */
	async function restartWith(change) {
		const file = join(server().folder, "pds.env");
		await server().stop();
		await writeFile(file, change(await readFile(file, "utf8")));
		await server().start();
	}

	test("a handle with the invisible characters of the app's copy button signs in", async () => {
		const { handle, did } = server();
		for (const identifier of [
			`\u{202A}@${handle}\u{202C}`,
			`\u{2068}${handle}\u{2069}\n`,
			`\u{FEFF} @${handle.toUpperCase()}\u{200B}`,
			`\u{A0}${did}\u{AD}`,
		]) {
			const session = (await signIn(identifier)).expect();
			assert.equal(session.did, did, JSON.stringify(identifier));
		}
		const message = "Invalid identifier or password";
		refused(await signIn("\u{202A}@"), 401, "AuthenticationRequired", message);
	});

	test("the DID is accepted with the colon of its port decoded", async () => {
		const { did } = server();
		assert.match(did, /%3A/);
		const decoded = did.replaceAll("%3A", ":");
		for (const method of ["getLatestCommit", "getRepo", "listBlobs", "getHead"]) {
			const answer = await query(server(), `com.atproto.sync.${method}`, { did: decoded });
			assert.equal(answer.status, 200, method);
		}
		// As sent by a client that encodes nothing.
		const status = await send(server(), `/xrpc/com.atproto.sync.getRepoStatus?did=${did}`);
		assert.equal(status.expect().did, did);
		const repo = await query(server(), "com.atproto.repo.describeRepo", { repo: decoded });
		assert.equal(repo.expect().did, did);
		const made = await owner.post("com.atproto.repo.createRecord", {
			repo: decoded,
			collection: "com.example.note",
			record: { is: "plain" },
		});
		assert.ok(made.expect().uri.startsWith(`at://${did}/`));
		assert.equal((await signIn(decoded)).expect().did, did);
	});

	test("an env file may have quotes, comments, export, CRLF and a byte order mark", async () => {
		const before = await query(server(), "com.atproto.sync.getLatestCommit", { did: server().did });
		const key = await publicKey(server());
		await restartWith((text) => {
			const lines = text.split("\n").filter((line) => !line.startsWith("SIGNING_KEY_PUBLIC="));
			const quoted = lines.map((line) =>
				line.replace(/^(\w+)=(.*)$/, (_, name, value) => {
					const plain = value.replace(/^'(.*)'$/, "$1");
					return `export ${name}="${plain}" # as it was`;
				}),
			);
			return `\u{FEFF}# mine\n${quoted.join("\n")}EMAIL = 'Alice@Mail.test'\n`.replaceAll(
				"\n",
				"\r\n",
			);
		});
		assert.equal(await publicKey(server()), key, "it follows from SIGNING_KEY");
		const after = await query(server(), "com.atproto.sync.getLatestCommit", { did: server().did });
		assert.deepEqual(after.expect(), before.expect());
	});

	test("2.1, 2.4 an e-mail address is returned and signs in, in any letter case", async () => {
		const session = (await signIn("alice@MAIL.test")).expect();
		assert.deepEqual([session.email, session.emailConfirmed], ["Alice@Mail.test", true]);
		const { accessJwt, refreshJwt } = session;
		const seen = await query(server(), "com.atproto.server.getSession", {}, accessJwt);
		assert.equal(seen.expect().email, "Alice@Mail.test");
		const next = await procedure(
			server(),
			"com.atproto.server.refreshSession",
			undefined,
			refreshJwt,
		);
		assert.equal(next.expect().emailConfirmed, true);
	});

	test("a handle that differs from the first start's is a warning", async () => {
		const { handle } = server();
		await restartWith((text) => text.replace(/HANDLE=.*/, 'HANDLE="bob.test"'));
		const lines = await readFile(join(server().folder, "pds.env"), "utf8");
		const token = /AUTH_TOKEN="(.*)"/.exec(lines)[1];
		const found = (await owner.operate("GET", "verify", token)).expect();
		assert.deepEqual(found.faults, []);
		assert.deepEqual(found.warnings, [
			`HANDLE is "bob.test", but this account was set up with "${handle}"`,
		]);
	});
});

/** Returns the account's key as in its DID document. */
async function publicKey(server) {
	const document = (await send(server, "/.well-known/did.json")).expect();
	return document.verificationMethod[0].publicKeyMultibase;
}
