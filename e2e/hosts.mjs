// The servers under test. Each is started as a user would start it, in its own folder, and is stopped
// with all its child processes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

/** @typedef {'native' | 'workerd'} Host */

/** The hosts to test. @type {Host[]} */
export const hosts = (process.env.NACRE_E2E_HOSTS ?? "native").split(/[\s,]+/).filter(Boolean);

/** A server, its account and its folder. */
export class Server {
	/** @type {Host} */ host;
	/** The folder of the account, which survives a restart. */ folder;
	/** The base URL, such as `http://localhost:2583`. */ url;
	/** @type {string} */ did;
	/** @type {string} */ handle;
	/** @type {string} */ password;
	/** The did:key that commits are verified with. @type {string} */ publicKey;

	#process;
	#flags;
	#log = "";
	/** Texts that the server must not log. */ #secrets = new Set();
	/** Secrets that it has logged. */ leaks = new Set();

	/**
	 * Starts a server with a new account on a free port.
	 *
	 * @param {Host} host
	 * @param {string[]} flags
	 */
	static async start(host, flags = []) {
		const server = new Server();
		server.host = host;
		server.folder = await mkdtemp(join(tmpdir(), "nacre-e2e-"));
		server.#flags = flags;
		try {
			await server.start("0");
		} catch (error) {
			await server.remove();
			throw error;
		}
		return server;
	}

	/** Restarts the stopped server on the port in its folder. */
	async start(port = new URL(this.url).port) {
		const { command, patienceMs } = programs[this.host];
		const [program, ...first] = command;
		const flags = [...first, "--json", "--dir", this.folder, "--port", port, ...this.#flags];
		// Its own process group, so that a signal reaches all its processes.
		const child = spawn(program, flags, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
		this.#process = child;
		running.set(child, this.folder);
		child.once("close", () => running.delete(child));
		child.stderr.setEncoding("utf8").on("data", (text) => this.#hear(text));
		const started = firstCard(child, () => this.log());
		Object.assign(this, await within(patienceMs, `${program} did not start`, started, this));
		const env = await readFile(join(this.folder, "pds.env"), "utf8");
		for (const [, name, value] of env.matchAll(/^(?:export )?(\w+)=["']?([^"'\r\n]+)/gm)) {
			if (SECRETS.includes(name)) this.keepSecret(value);
		}
	}

	/** Stops the server as a user does and waits for its exit. */
	async stop() {
		await this.#end("SIGTERM");
	}

	/** Kills the server and all its processes. */
	async kill() {
		await this.#end("SIGKILL");
	}

	/** Stops the server if it is running, and deletes its folder. */
	async remove() {
		try {
			await this.stop();
		} finally {
			await this.kill();
			await rm(this.folder, { recursive: true, force: true });
		}
	}

	/** Returns the end of the server's standard error. */
	log() {
		return this.#log;
	}

	#findLeaks() {
		const own = this.ownLog();
		for (const secret of this.#secrets) if (own.includes(secret)) this.leaks.add(secret);
	}

	/** Returns the log without the lines of wrangler, which quotes every URL. */
	ownLog() {
		return this.#log.replaceAll(/^.*\[wrangler:.*$/gm, "");
	}

	async #end(signal) {
		const child = this.#process;
		if (!child || !running.has(child)) return;
		const closed = once(child, "close");
		signalAll(child, signal);
		await within(STOP_MS, `the server did not stop on ${signal}`, closed, this);
	}

	/** Fails the suite if the server logs this text. */
	keepSecret(text) {
		// Shorter texts may be words of a message.
		if (text.length < MIN_SECRET_CHARS) return;
		this.#secrets.add(text);
		this.#findLeaks();
	}

	#hear(text) {
		this.#log += text;
		this.#findLeaks();
		this.#log = this.#log.slice(-MAX_LOG_CHARS);
	}
}

/**
 * Declares a suite for each host. `body` receives a function that returns the suite's server.
 *
 * @param {string} title
 * @param {(server: () => Server) => void} body
 * @param {{ only?: Host, flags?: string[] }} options
 */
export function onEachHost(title, body, { only, flags } = {}) {
	for (const host of hosts.filter((host) => !only || host === only)) {
		describe(`${title} (${host})`, () => {
			/** @type {Server | undefined} */
			let server;
			before(async () => {
				server = await Server.start(host, flags);
			});
			afterEach((test) => {
				if (!test.passed) console.error(`--- log of ${host}:\n${server?.log()}---`);
			});
			after(async () => {
				await server?.remove();
				assert.deepEqual([...(server?.leaks ?? [])], [], "the log has secrets");
			});
			body(() => server);
		});
	}
}

/**
 * Waits for `promise` with a timeout.
 *
 * @template T
 * @param {number} ms
 * @param {string} problem
 * @param {Promise<T>} promise
 * @param {Server} [server]
 * @returns {Promise<T>}
 */
export async function within(ms, problem, promise, server) {
	const cancel = new AbortController();
	const late = sleep(ms, undefined, { signal: cancel.signal }).then(() => {
		throw new Error(`${problem} within ${ms} ms${server ? `; its log:\n${server.log()}` : ""}`);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		cancel.abort();
		late.catch(() => {});
	}
}

/** Sends a signal to a process and its child processes. */
function signalAll(child, signal) {
	try {
		process.kill(-child.pid, signal);
	} catch (error) {
		// It may have exited already.
		if (error.code !== "ESRCH") throw error;
	}
}

/** Returns the JSON that a host prints when it is ready. */
async function firstCard(child, log) {
	const ended = once(child, "close").then(([code, signal]) => {
		throw new Error(`the server ended with ${code ?? signal}; its log:\n${log()}`);
	});
	const printed = new Promise((resolve) => {
		createInterface({ input: child.stdout }).on("line", (line) => {
			if (line.startsWith("{")) resolve(JSON.parse(line));
		});
	});
	return Promise.race([printed, ended]);
}

/** The command of each host and its time to start, which for one includes a build. */
const programs = {
	native: {
		command: process.env.NACRE_PDS
			? [process.env.NACRE_PDS, "dev"]
			: ["cargo", "run", "--quiet", "--package", "nacre-pds-cli", "--", "dev"],
		patienceMs: process.env.NACRE_PDS ? 20_000 : 600_000,
	},
	workerd: {
		command: [
			...(process.env.NACRE_XTASK ? [process.env.NACRE_XTASK] : ["cargo", "xtask"]),
			"dev",
			"--test-routes",
		],
		patienceMs: 600_000,
	},
};

/** The processes to kill and folders to delete when this process exits. */
const running = new Map();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
process.once("exit", () => {
	for (const [child, folder] of running) {
		signalAll(child, "SIGKILL");
		rmSync(folder, { recursive: true, force: true });
	}
});

const STOP_MS = 15_000;
const MIN_SECRET_CHARS = 12;
const SECRETS = ["AUTH_TOKEN", "JWT_SECRET", "PASSWORD", "PASSWORD_HASH", "SIGNING_KEY"];
const MAX_LOG_CHARS = 20_000;
