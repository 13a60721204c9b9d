// Error messages of a Worker with missing or malformed variables and secrets. It runs on the bare
// runtime, because `cargo xtask dev` creates a valid configuration.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { refused as isRefused } from "./cases.mjs";
import { hosts, within } from "./hosts.mjs";
import { Workerd, newAccount } from "./workerd.mjs";
import { send } from "./xrpc.mjs";

if (hosts.includes("workerd")) {
	describe("configuration (workerd)", () => {
		/** @type {Map<string, string>} */ let good;
		let folder;
		before(async () => {
			folder = await mkdtemp(join(tmpdir(), "nacre-e2e-"));
			good = await newAccount({
				hostname: "pds.example.com",
				handle: "a.example.com",
				password: "password",
			});
		});
		after(() => rm(folder, { recursive: true, force: true }));

		const refused = [
			["DID", undefined, "DID is missing"],
			["HANDLE", "alice", 'HANDLE is "alice", which is not a handle'],
			[
				"HANDLE",
				"@alice.example.com",
				'HANDLE is "@alice.example.com", which is not a handle; write "alice.example.com"',
			],
			["SIGNING_KEY_PUBLIC", "zNone", "SIGNING_KEY_PUBLIC is neither a multikey nor a did:key"],
			["SIGNING_KEY", undefined, "SIGNING_KEY is missing"],
			[
				"SIGNING_KEY",
				"5ec2e7",
				"SIGNING_KEY is neither 64 hexadecimal digits nor a JWK of a secp256k1 key",
			],
			[
				"SIGNING_KEY",
				"0".repeat(63) + "1",
				"SIGNING_KEY_PUBLIC is not the public half of SIGNING_KEY",
			],
			["JWT_SECRET", "short", "JWT_SECRET is shorter than 16 characters"],
			["AUTH_TOKEN", undefined, "AUTH_TOKEN is missing"],
			["PASSWORD_HASH", "password", "PASSWORD_HASH is not a bcrypt hash with a cost from 4 to 14"],
			[
				"INITIAL_ACTIVE",
				"yes",
				'INITIAL_ACTIVE is "yes", which is not true or false; write "true"',
			],
			["DATA_LOCATION", "EU", 'DATA_LOCATION is "EU", which is not a known location; write "eu"'],
		];
		for (const [name, value, message] of refused) {
			test(`every request is refused with "${message}"`, async () => {
				const vars = new Map(good).set(name, value);
				await onWorkerd(join(folder, "refused"), vars, async (url) => {
					for (let time = 0; time < 2; time += 1) {
						const answer = await fetch(`${url}/xrpc/com.atproto.server.describeServer`);
						assert.equal(answer.status, 503);
						assert.deepEqual(await answer.json(), { error: "ServerNotConfigured", message });
					}
				});
			});
		}

		test("9.1 an account that does not accept imports refuses them", async () => {
			const vars = new Map(good).set("ACCEPT_IMPORTS", "false");
			await onWorkerd(join(folder, "closed"), vars, async (url) => {
				const headers = {
					authorization: `Bearer ${vars.get("AUTH_TOKEN")}`,
					"content-type": "application/vnd.ipld.car",
				};
				const path = "/xrpc/com.atproto.repo.importRepo";
				const answer = await send({ url }, path, { method: "POST", headers, body: "x" });
				const message = "Service is not accepting repo imports";
				isRefused(answer, 400, "InvalidRequest", message);
			});
		});

		test("a Worker serves after its configuration is fixed, but not another account", async () => {
			const mended = join(folder, "mended");
			const health = (vars) =>
				onWorkerd(mended, vars, async (url) => {
					const answer = await fetch(`${url}/xrpc/_health`);
					return [answer.status, (await answer.json()).message];
				});
			const broken = new Map(good).set("JWT_SECRET", undefined);
			assert.deepEqual(await health(broken), [503, "JWT_SECRET is missing"]);
			assert.deepEqual(await health(good), [200, undefined]);
			const other = new Map(good).set("DID", "did:web:other.example.com");
			assert.deepEqual(await health(other), [
				503,
				`the database belongs to "${good.get("DID")}", but DID is "did:web:other.example.com"; ` +
					`set DID back to "${good.get("DID")}"`,
			]);
		});
	});
}

/** Runs the Worker with these variables during `use`. */
async function onWorkerd(folder, vars, use) {
	const server = await Workerd.start({ folder, modules: BUILD, vars });
	try {
		return await within(10_000, "no answer", use(server.url), server);
	} finally {
		await server.stop();
	}
}

/** The folder of the Worker that `cargo xtask worker --test-routes` builds. */
const BUILD = fileURLToPath(new URL("../pds-worker/build-test", import.meta.url));
