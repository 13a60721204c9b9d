// The Worker with a new account, on workerd alone: the processor time of what `wrangler dev` puts
// before it is many times that of the Worker.

import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Workerd } from "../../e2e/workerd.mjs";

/** Starts a server with a new account. */
export async function startWorkerd() {
	const account = ["--hostname", "pds.test", "--handle", "alice.test", "--password", PASSWORD];
	const printed = execFileSync(env("NACRE_PDS"), ["vars", ...account], { encoding: "utf8" });
	const lines = printed.trim().split("\n");
	const vars = new Map(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
	const folder = await mkdtemp(join(tmpdir(), "nacre-load-"));
	const modules = env("NACRE_WORKER");
	const server = await Workerd.start({ folder, modules, vars, program: env("NACRE_WORKERD") });
	const remove = async () => {
		await server.stop();
		await rm(folder, { recursive: true, force: true });
	};
	return Object.assign(server, { did: vars.get("DID"), password: PASSWORD, remove });
}

function env(name) {
	const value = process.env[name];
	if (!value) throw new Error(`${name} is not set; run cargo xtask load`);
	return value;
}

const PASSWORD = "a password to load with";
