// The Worker on workerd alone. `wrangler dev` puts a proxy and a Node process before it, whose
// processor time is many times that of the Worker; its simulator of R2 is not here either.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A server with a new account. */
export class Workerd {
	#child;

	static async start() {
		const server = new Workerd();
		server.folder = await mkdtemp(join(tmpdir(), "nacre-load-"));
		cpSync(env("NACRE_WORKER"), server.folder, { recursive: true });
		await mkdir(join(server.folder, "state"));
		const [hostname, handle, password] = ["pds.test", "alice.test", "a password to load with"];
		const said = ["vars", "--hostname", hostname, "--handle", handle, "--password", password];
		const lines = execFileSync(env("NACRE_PDS"), said, { encoding: "utf8" }).split("\n");
		const vars = Object.fromEntries(lines.map(variable).filter(Boolean));
		const port = await freePort();
		writeFileSync(join(server.folder, CONFIG), config(server.folder, vars, port));
		Object.assign(server, { handle, password, did: vars.DID, url: `http://127.0.0.1:${port}` });
		await server.start();
		return server;
	}

	/** Starts the process, which reads what an earlier one has left. */
	async start() {
		const args = ["serve", "--experimental", join(this.folder, CONFIG)];
		const stdio = ["ignore", "ignore", "inherit"];
		this.#child = spawn(env("NACRE_WORKERD"), args, { cwd: this.folder, detached: true, stdio });
		process.once("exit", () => this.#child.kill("SIGKILL"));
		for (let tries = 0; tries < 100; tries += 1) {
			await sleep(100);
			const answer = await fetch(`${this.url}/xrpc/_health`).catch(() => undefined);
			if (answer?.ok) return;
		}
		throw new Error("workerd did not start");
	}

	get pid() {
		return this.#child.pid;
	}

	async stop() {
		const closed = once(this.#child, "close");
		this.#child.kill("SIGTERM");
		await closed;
	}

	async remove() {
		await this.stop();
		await rm(this.folder, { recursive: true, force: true });
	}
}

function config(folder, vars, port) {
	const modules = readdirSync(folder, { recursive: true }).filter((name) => name !== "shim.js");
	const module = (name) => {
		if (name.endsWith(".js")) return `(name = "${name}", esModule = embed "${name}"),`;
		if (name.endsWith(".wasm")) return `(name = "${name}", wasm = embed "${name}"),`;
		return "";
	};
	const text = ([name, value]) => `(name = "${name}", text = ${JSON.stringify(value)}),`;
	return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "state", disk = (path = "${join(folder, "state")}", writable = true)),
    (name = "absent", worker = .absent),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [${["shim.js", ...modules].map(module).join("\n")}],
  compatibilityDate = "2026-09-01",
  durableObjectNamespaces = [
    (className = "AccountDurableObject", uniqueKey = "account", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "state"),
  bindings = [
    (name = "ACCOUNT", durableObjectNamespace = "AccountDurableObject"),
    (name = "BLOBS", r2Bucket = "absent"),
    ${Object.entries(vars).map(text).join("\n")}
  ],
);
const absent :Workerd.Worker = (
  serviceWorkerScript = "addEventListener('fetch', (e) => e.respondWith(new Response('', { status: 500 })))",
  compatibilityDate = "2026-09-01",
);
`;
}

/** Reads a line of `pds vars`. */
function variable(line) {
	const end = line.indexOf("=");
	if (end < 0) return undefined;
	return [line.slice(0, end), line.slice(end + 1).replace(/^(["'])(.*)\1$/, "$2")];
}

function env(name) {
	const value = process.env[name];
	if (!value) throw new Error(`${name} is not set; run cargo xtask load`);
	return value;
}

async function freePort() {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address();
	server.close();
	await once(server, "close");
	return port;
}

const CONFIG = "load.capnp";
