// The Worker on workerd alone, without wrangler: its proxy, its Node process and its simulator of R2.
// It is not bound to a bucket.

import { execFile, spawn } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { within } from "./hosts.mjs";

/** A process of workerd, and the folder of its account. */
export class Workerd {
	/** The base URL. @type {string} */ url;
	/** The address of the inspector, if it is on. @type {string | undefined} */ inspector;

	#program;
	#config;
	#child;
	#ended;
	#said = "";

	/**
	 * Starts the Worker with these variables. Those that are `undefined` are not set.
	 *
	 * @param {{ folder: string, modules: string, vars: Map<string, string | undefined>, program?: string, inspects?: boolean }} options
	 *   `inspects` turns the inspector on
	 */
	static async start({ folder, modules, vars, program = "workerd", inspects }) {
		const server = new Workerd();
		await mkdir(join(folder, "state"), { recursive: true });
		const port = await freePort();
		server.url = `http://127.0.0.1:${port}`;
		server.#program = program;
		server.#config = join(folder, "workerd.capnp");
		await writeFile(server.#config, await capnp(folder, modules, port, vars));
		await server.start({ inspects });
		return server;
	}

	/** Starts a process again with the data of the earlier one. */
	async start({ inspects = false } = {}) {
		const flags = ["serve", "--experimental", this.#config];
		this.inspector = inspects ? `127.0.0.1:${await freePort()}` : undefined;
		if (this.inspector) flags.push(`--inspector-addr=${this.inspector}`);
		// Its own process group, like those of the other servers.
		const options = { detached: true, stdio: ["ignore", "ignore", "pipe"] };
		this.#child = spawn(this.#program, flags, options);
		this.#child.stderr.setEncoding("utf8").on("data", (text) => (this.#said += text));
		this.#ended = new Promise((resolve) => this.#child.once("close", resolve));
		const child = this.#child;
		const end = () => child.kill("SIGKILL");
		process.once("exit", end);
		this.#ended.then(() => process.off("exit", end));
		await within(10_000, "workerd did not listen", this.#listening(), this);
	}

	/** The process. */
	get pid() {
		return this.#child.pid;
	}

	/** Returns its standard error. */
	log() {
		return this.#said;
	}

	/**
	 * Stops the process, so that it closes the database. It is killed if it waits for its clients.
	 */
	async stop() {
		const child = this.#child;
		child.kill("SIGTERM");
		const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
		await this.#ended;
		clearTimeout(late);
	}

	async #listening() {
		for (;;) {
			try {
				return await fetch(`${this.url}/robots.txt`);
			} catch {
				await sleep(20);
			}
		}
	}
}

/** Returns the variables of a new account, as `pds vars` prints them. */
export async function newAccount({ hostname, handle, password }) {
	const flags = ["--hostname", hostname, "--handle", handle, "--password", "-"];
	const printed = promisify(execFile)(process.env.NACRE_PDS ?? "pds", ["vars", ...flags]);
	printed.child.stdin.end(`${password}\n`);
	const { stdout } = await printed;
	return new Map(
		stdout
			.trim()
			.split("\n")
			.map((line) => line.split(/=(.*)/s).slice(0, 2)),
	);
}

async function capnp(folder, modules, port, vars) {
	const files = await readdir(modules, { recursive: true });
	const embedded = files
		.filter((file) => /\.(js|wasm)$/.test(file))
		// The first module is the entry point.
		.sort((a, b) => (b === "shim.js") - (a === "shim.js"))
		.map((file) => {
			const kind = file.endsWith(".js") ? "esModule" : "wasm";
			const path = relative(folder, join(modules, file));
			return `(name = ${text(file)}, ${kind} = embed ${text(path)})`;
		});
	const bindings = [...vars]
		.filter(([, value]) => value !== undefined)
		.map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`);
	return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
	services = [
		(name = "main", worker = .worker),
		(name = "state", disk = (path = ${text(join(folder, "state"))}, writable = true)),
	],
	sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
	compatibilityDate = "2026-09-01",
	compatibilityFlags = ["global_fetch_strictly_public"],
	modules = [${embedded.join(", ")}],
	durableObjectNamespaces = [
		(className = "AccountDurableObject", uniqueKey = "account", enableSql = true),
	],
	durableObjectStorage = (localDisk = "state"),
	bindings = [
		(name = "ACCOUNT", durableObjectNamespace = "AccountDurableObject"),
		${bindings.join(",\n\t\t")}
	],
);
`;
}

async function freePort() {
	const server = createServer();
	await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address();
	await new Promise((resolve) => server.close(resolve));
	return port;
}

const text = (value) => JSON.stringify(value);
const STOP_MS = 5_000;
