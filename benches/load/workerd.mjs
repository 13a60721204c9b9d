// The Worker with a new account, on workerd alone: the processor time of what `wrangler dev` puts
// before it is many times that of the Worker.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Workerd, newAccount } from "../../e2e/workerd.mjs";

/** Starts a server with a new account. */
export async function startWorkerd() {
	const vars = await newAccount({ hostname: HOSTNAME, handle: "alice.test", password: PASSWORD });
	const server = await start({ modules: env("NACRE_WORKER"), vars });
	return Object.assign(server, { did: vars.get("DID"), password: PASSWORD });
}

/** Starts the Worker of `platform/`. */
export async function startPlatform() {
	const modules = fileURLToPath(new URL("platform", import.meta.url));
	return start({ modules, vars: new Map() });
}

async function start(options) {
	const folder = await mkdtemp(join(tmpdir(), "nacre-load-"));
	const server = await Workerd.start({ folder, program: env("NACRE_WORKERD"), ...options });
	const remove = async () => {
		await server.stop();
		await rm(folder, { recursive: true, force: true });
	};
	return Object.assign(server, { remove });
}

function env(name) {
	const value = process.env[name];
	if (!value) throw new Error(`${name} is not set; run cargo xtask load`);
	return value;
}

/** All accounts have one DID, so that a server accepts the repository of another. */
export const HOSTNAME = "pds.test";
const PASSWORD = "a password to load with";
