// Ownership of an account: an empty database in place of a lost one announces no empty repository,
// and an account with a wrong DID can be reset until it has been active.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { Caller, refused } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { query, send } from "./xrpc.mjs";

onEachHost(
	"a database that was lost",
	(server) => {
		const owner = new Caller(server);
		const repoStatus = () =>
			query(server(), "com.atproto.sync.getRepoStatus", { did: server().did });

		test("an owner restarts unchanged", async () => {
			(await owner.create(NOTE, { is: "plain" }, { rkey: "k" })).expect();
			await server().stop();
			await server().start();
			assert.equal((await repoStatus()).expect().active, true);
		});

		test("an empty database beside the marker refuses to serve and names the remedy", async () => {
			await server().stop();
			await rm(join(server().folder, "state", "v3", "do"), { recursive: true });
			await server().start();
			const message = new RegExp(
				`^this database is empty, but the bucket names another database as the owner of ` +
					`${server().did}; .*POST /operator/claim$`,
			);
			refused(await repoStatus(), 503, "AccountNotOpened", message);
			refused(await owner.operate("GET", "verify"), 503, "AccountNotOpened", message);
			const health = await send(server(), "/xrpc/_health");
			assert.equal(health.status, 503);
			assert.match(health.json.error, message);
			const document = await send(server(), "/.well-known/did.json");
			assert.equal(document.expect().id, server().did);
		});

		test("only the operator can claim the account", async () => {
			const answer = await owner.operate("POST", "claim", "0123456789abcdef");
			const message = "This method requires the server's AUTH_TOKEN";
			refused(answer, 401, "AuthenticationRequired", message);
			assert.equal((await repoStatus()).status, 503);
		});

		test("a claimed account is empty and stays inactive", async () => {
			const claimed = (await owner.operate("POST", "claim")).expect();
			assert.deepEqual(claimed, { did: server().did, active: false });
			assert.equal((await repoStatus()).expect().active, false);
			await server().stop();
			await server().start();
			const { active, status } = (await repoStatus()).expect();
			assert.deepEqual([active, status], [false, "deactivated"]);
			assert.equal((await owner.operate("POST", "claim")).status, 200);
			assert.deepEqual((await owner.operate("GET", "verify")).expect().warnings, []);
		});
	},
	{ only: "workerd" },
);

onEachHost("a server with a wrong DID", (server) => {
	const owner = new Caller(server);

	test("an account that was active is not reset", async () => {
		const answer = await owner.operate("POST", "reset");
		refused(answer, 409, "AccountWasActive", /did:web:localhost%3A.* was active/);
	});

	test("an account that was never active starts over with another DID", async () => {
		const { did, folder, host } = server();
		await server().stop();
		for (const name of await readdir(folder)) {
			if (name === "state" || name.startsWith("pds.sqlite")) {
				await rm(join(folder, name), { recursive: true });
			}
		}
		const file = join(folder, "pds.env");
		const vars = `${await readFile(file, "utf8")}INITIAL_ACTIVE=false\n`;
		await writeFile(file, vars);
		await server().start();
		const other = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
		await server().stop();
		await writeFile(file, vars.replace(/^DID=.*$/m, `DID=${other}`));
		const both = new RegExp(`the database belongs to "${did}", but DID is "${other}".*reset`);
		if (host === "native") {
			await assert.rejects(server().start(), both);
			const reset = await promisify(execFile)(process.env.NACRE_PDS ?? "pds", [
				...["reset", "--dir", folder],
			]);
			assert.match(reset.stdout, new RegExp(`the account is now ${other}`));
			await server().start();
		} else {
			await server().start();
			const answer = await query(server(), "com.atproto.server.describeServer");
			refused(answer, 503, "AccountNotOpened", both);
			const message = "This method requires the server's AUTH_TOKEN";
			const stranger = await owner.operate("POST", "reset", "0123456789abcdef");
			refused(stranger, 401, "AuthenticationRequired", message);
			const reset = (await owner.operate("POST", "reset")).expect();
			assert.deepEqual(reset, { did: other, active: false });
		}
		const { repos } = (await query(server(), "com.atproto.sync.listRepos")).expect();
		assert.deepEqual(
			repos.map(({ did, active }) => [did, active]),
			[[other, false]],
		);
		assert.deepEqual((await owner.operate("GET", "verify")).expect().faults, []);
	});
});

const NOTE = "com.example.note";
