// Sends the requests of a scenario and records the answers.

import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

import { Server, within } from "../hosts.mjs";
import { Subscriber } from "../stream.mjs";
import { Answer } from "../xrpc.mjs";
import { car, frame } from "./blocks.mjs";
import { Normaliser, digest } from "./normal.mjs";

/** A recording in progress: the server and the entries so far. */
export class Scene {
	/** @type {'native' | 'workerd'} */ host;
	/** @type {Server} */ server;
	entries = [];
	normal = new Normaliser();

	#chapter = "";
	#names = new Set();

	constructor(host) {
		this.host = host;
	}

	/**
	 * Plays a chapter on a new server.
	 *
	 * @param {string} title
	 * @param {(scene: Scene) => Promise<void>} play
	 * @param {{ flags?: string[], hidesTrees?: boolean }} options
	 */
	async chapter(title, play, { flags = FLAGS, hidesTrees = false } = {}) {
		this.#chapter = title;
		this.normal.reset({ hidesTrees });
		this.server = await Server.start(this.host, flags);
		try {
			await this.#addServer();
			await play(this);
		} catch (error) {
			error.message += `\n--- log of the server in "${title}":\n${this.server.log()}`;
			throw error;
		} finally {
			await this.server.remove();
		}
	}

	/** Plays a chapter that starts its own servers. */
	async bareChapter(title, play) {
		this.#chapter = title;
		this.normal.reset();
		await play(this);
	}

	/** Restarts the server after `change` has edited its variables or files. */
	async restart(change = async () => {}) {
		await this.server.stop();
		await change();
		await this.server.start();
		await this.#addServer();
	}

	/** Edits the variables of the stopped server. @param {(text: string) => string} change */
	async editVars(change) {
		const file = join(this.server.folder, "pds.env");
		await writeFile(file, change(await readFile(file, "utf8")));
	}

	/** Returns a variable of the server. */
	async variable(name) {
		const text = await readFile(join(this.server.folder, "pds.env"), "utf8");
		return new RegExp(`^${name}=(.*)$`, "m").exec(text)[1];
	}

	/** The server by its IPv4 address. */
	get address() {
		const { port } = new URL(this.server.url);
		return { url: `http://127.0.0.1:${port}`, log: () => this.server.log() };
	}

	/**
	 * Sends a request and records the answer.
	 *
	 * @param {string} name unique in its chapter
	 * @param {string} method
	 * @param {string} path
	 * @param {RequestOptions} options
	 */
	async send(name, method, path, options = {}) {
		const { summary, ...request } = this.#summarise(options);
		const began = Date.now();
		const answer = await this.sendUnrecorded(method, path, options);
		const ms = Date.now() - began;
		if (ms > SLOW_MS) console.error(`${this.#chapter}: ${name}: took ${ms} ms`);
		await this.#record(name, { method, path, ...request, body: summary }, () =>
			this.#answered(answer, method),
		);
		return answer;
	}

	/** Calls a query. */
	query(name, nsid, params = {}, options = {}) {
		return this.send(name, "GET", `/xrpc/${nsid}${queryString(params)}`, options);
	}

	/** Calls a procedure with a JSON input, or without one. */
	procedure(name, nsid, input, options = {}) {
		return this.send(name, "POST", `/xrpc/${nsid}`, { json: input, ...options });
	}

	/**
	 * Sends a request that is not recorded.
	 *
	 * @param {string} method
	 * @param {string} path
	 * @param {RequestOptions} options
	 * @typedef {{ token?: string, headers?: Record<string, string | string[]>, json?: unknown,
	 *   body?: string | Uint8Array, pieces?: (Uint8Array | (() => Promise<void>))[],
	 *   host?: string, summary?: string, credential?: string, leaves?: boolean }} RequestOptions
	 *   `pieces` are sent one after another, and functions among them are called; a request that
	 *   `leaves` announces a body and sends none
	 */
	async sendUnrecorded(
		method,
		path,
		{ token, headers = {}, json, body, pieces, host, leaves } = {},
	) {
		const { hostname, port } = new URL(this.address.url);
		const sent = json === undefined ? body : JSON.stringify(json);
		const all = {
			host: host ?? `localhost:${port}`,
			...(token && { authorization: `Bearer ${token}` }),
			...(json !== undefined && { "content-type": "application/json" }),
			...(sent !== undefined && { "content-length": Buffer.byteLength(sent) }),
			...headers,
		};
		const request = http.request({ hostname, port, method, path, headers: all, agent: false });
		const answered = new Promise((resolve, reject) => {
			request.once("response", resolve).once("upgrade", (response, socket) => {
				socket.destroy();
				resolve(response);
			});
			request.on("error", reject);
		});
		answered.catch(() => {});
		for (const piece of pieces ?? []) {
			if (typeof piece === "function") await piece();
			else await new Promise((resolve) => request.write(piece, resolve));
		}
		if (leaves) request.flushHeaders();
		else request.end(sent);
		const whole = answered.then(read);
		const problem = `${method} ${path} was not answered`;
		return within(WAIT_MS, problem, whole, this.server).finally(() => leaves && request.destroy());
	}

	/**
	 * Sends raw bytes, and records the bytes that the server returns before it closes the connection.
	 *
	 * @param {string} name
	 * @param {string} text
	 */
	async raw(name, text) {
		const { hostname, port } = new URL(this.address.url);
		const socket = connect(Number(port), hostname);
		const pieces = [];
		socket.on("data", (piece) => pieces.push(piece)).on("error", () => {});
		const closed = once(socket, "close");
		socket.write(text);
		await within(WAIT_MS, "the server did not close the connection", closed, this.server);
		const parts = Buffer.concat(pieces).toString("latin1").split("\r\n\r\n");
		const body = parts.pop();
		const heads = parts.map((head) => {
			const [status, ...lines] = head.split("\r\n");
			const fields = lines
				.map((line) => line.split(/: ?/, 2))
				.filter(([field]) => field !== "date");
			return { status, headers: Object.fromEntries(fields.sort()) };
		});
		const { status, headers } = heads.pop() ?? {};
		const type = headers?.["content-type"] ?? "";
		const request = text.length > 200 ? digest(Buffer.from(text)) : text;
		await this.#record(name, { method: "bytes", body: request }, async () => ({
			...(heads.length > 0 && { before: heads }),
			status,
			headers,
			body: await this.#body(Buffer.from(body, "latin1"), type),
		}));
	}

	/**
	 * Opens a subscription, whose frames `recordFrames` records.
	 *
	 * @param {number} [cursor]
	 */
	subscribe(cursor) {
		return Subscriber.open(this.address, cursor);
	}

	/**
	 * Records the first `count` frames of a subscription; without a count, all frames until the
	 * server closes the connection.
	 *
	 * @param {string} name
	 * @param {Subscriber} subscriber
	 * @param {number} [count]
	 */
	async recordFrames(name, subscriber, count) {
		const code = count === undefined ? await subscriber.end() : undefined;
		if (count !== undefined) await subscriber.count(count);
		if (count !== undefined) await subscriber.close();
		const frames = subscriber.frames.slice(0, count);
		await this.#record(name, { method: "subscription" }, async () => {
			const body = [];
			for (const bytes of frames) {
				body.push(await frame(bytes, this.normal, this.server.publicKey));
			}
			return { ...(code && { closed: code }), body: { frames: body } };
		});
	}

	/** Signs in without recording it. */
	async signIn() {
		const input = { identifier: this.server.did, password: this.server.password };
		const path = "/xrpc/com.atproto.server.createSession";
		this.session = (await this.sendUnrecorded("POST", path, { json: input })).expect();
		this.owner = { token: this.session.accessJwt };
		return this.session;
	}

	/** Calls a procedure that writes records, as the owner. */
	write(name, verb, input) {
		const json = { repo: this.server.did, ...input };
		return this.procedure(name, `com.atproto.repo.${verb}`, json, this.owner);
	}

	create(name, collection, rkey, record, more = {}) {
		return this.write(name, "createRecord", { collection, rkey, record, ...more });
	}

	put(name, collection, rkey, record, more = {}) {
		return this.write(name, "putRecord", { collection, rkey, record, ...more });
	}

	delete(name, collection, rkey, more = {}) {
		return this.write(name, "deleteRecord", { collection, rkey, ...more });
	}

	apply(name, writes, more = {}) {
		return this.write(name, "applyWrites", { writes, ...more });
	}

	/** Uploads a blob as the owner. */
	upload(name, body, type, headers = {}) {
		const path = "/xrpc/com.atproto.repo.uploadBlob";
		const all = { ...(type && { "content-type": type }), ...headers };
		return this.send(name, "POST", path, { ...this.owner, body, headers: all });
	}

	/** Calls a sync query for the account's repository without a session. */
	sync(name, method, params = {}, options = {}) {
		const all = typeof params === "string" ? params : { did: this.server.did, ...params };
		return this.query(name, `com.atproto.sync.${method}`, all, options);
	}

	/** Records an answer that was observed in another way. */
	recordAnswer(name, request, answer) {
		return this.#record(name, request, async () => answer);
	}

	async #addServer() {
		const secret = await this.variable("JWT_SECRET");
		this.normal.name(await this.variable("AUTH_TOKEN"), "operator's token");
		this.normal.addServer({ ...this.server, secret });
	}

	async #record(name, request, answer) {
		const whole = `${this.#chapter}: ${name}`;
		if (this.#names.has(whole)) throw new Error(`two requests are named "${whole}"`);
		this.#names.add(whole);
		const answered = await answer();
		this.entries.push({
			name: whole,
			request: this.normal.value(JSON.parse(JSON.stringify(request))),
			answer: this.normal.value(answered),
		});
	}

	#summarise({ token, headers, json, body, pieces, summary, host, credential }) {
		const all = {
			...(host && { host }),
			...(token && { authorization: `Bearer ${token}` }),
			...headers,
			...(credential && { authorization: credential }),
		};
		const shown = Object.fromEntries(
			Object.entries(all).map(([name, value]) => [name, shorten(value)]),
		);
		const sent = json === undefined ? body : json;
		if (summary === undefined && sent !== undefined) {
			const text =
				typeof sent === "string" || sent instanceof Uint8Array ? sent : JSON.stringify(sent);
			summary = text.length > 300 || text instanceof Uint8Array ? digest(Buffer.from(text)) : sent;
		}
		if (summary === undefined && pieces) {
			summary = `pieces: ${digest(Buffer.concat(pieces.filter((piece) => piece instanceof Uint8Array)))}`;
		}
		return { ...(Object.keys(all).length > 0 && { headers: shown }), summary };
	}

	async #answered({ status, rawHeaders, bytes }, method) {
		const type = rawHeaders.find(([name]) => name === "content-type")?.[1] ?? "";
		const coding = rawHeaders.find(([name]) => name === "content-encoding")?.[1];
		const plain = coding === "gzip" && bytes.length > 0 ? gunzipSync(bytes) : bytes;
		const body = await this.#body(Buffer.from(plain), type);
		const before = JSON.stringify(body);
		const isFixed = method === "HEAD" || before === JSON.stringify(this.normal.value(body));
		const headers = {};
		for (const [name, value] of rawHeaders) {
			if (TRANSPORT.has(name)) continue;
			if (name === "content-length" && (!isFixed || coding)) continue;
			headers[name] = name in headers ? [headers[name], value].flat() : value;
		}
		const sorted = Object.fromEntries(Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1)));
		return { status, headers: sorted, ...(body && { body }) };
	}

	async #body(bytes, type) {
		if (bytes.length === 0) return undefined;
		if (type.startsWith("application/vnd.ipld.car")) {
			return { car: await car(bytes, this.normal, this.server.publicKey) };
		}
		const text = bytes.toString("utf8");
		if (!Buffer.from(text).equals(bytes)) return { bytes: digest(bytes) };
		if (!type.startsWith("application/json")) {
			return text.length > 2_000 ? { bytes: digest(bytes) } : { text };
		}
		let json;
		try {
			json = JSON.parse(text);
		} catch {
			return { text };
		}
		// Spaces, escapes and repeated keys are parts of an answer too.
		const spelling = JSON.stringify(json) === text ? undefined : digest(bytes);
		this.#hideCommits(json);
		return { json, ...(spelling && { spelling }) };
	}

	/** Replaces the CIDs of commits in an answer with placeholders. */
	#hideCommits(json) {
		if (typeof json !== "object" || json === null) return;
		const { cid, rev, uri, head, root, repoCommit, message } = json;
		const swap = /^Commit was at (\w+)$/.exec(message ?? "");
		const commits = [uri === undefined && rev && cid, head, root, repoCommit, swap?.[1]];
		for (const found of commits) {
			if (typeof found === "string" && /^bafy/.test(found)) this.normal.hide(found, "commit");
		}
		if (this.normal.hidesTrees) {
			for (const name of COUNTS) if (name in json) json[name] = "<count>";
		}
		for (const value of Object.values(json)) this.#hideCommits(value);
	}
}

/** Returns parameters as a query string. They may already be one. */
export function queryString(params) {
	const text = typeof params === "string" ? params : new URLSearchParams(params).toString();
	return text && `?${text}`;
}

async function read(response) {
	const answer = new Answer();
	answer.status = response.statusCode;
	answer.headers = new Headers();
	answer.rawHeaders = [];
	for (let at = 0; at < response.rawHeaders.length; at += 2) {
		const [name, value] = response.rawHeaders.slice(at, at + 2);
		answer.rawHeaders.push([name.toLowerCase(), value]);
	}
	if (response.statusCode !== 101) answer.bytes = Buffer.concat(await response.toArray());
	else answer.bytes = Buffer.alloc(0);
	return answer;
}

function shorten(value) {
	const text = Array.isArray(value) ? value.join(" | ") : String(value);
	return text.length > 600 ? digest(Buffer.from(text)) : text;
}

/** A host name without DNS, which makes the DID the same in every run and keeps relays out. */
export const HOSTNAME = "pds.test";
export const PASSWORD = "correct horse battery staple";
const FLAGS = ["--hostname", HOSTNAME, "--password", PASSWORD];
/** Headers of the connection, which do not belong to the answer. */
const TRANSPORT = new Set(["connection", "date", "keep-alive", "transfer-encoding"]);
/** Counters that depend on the keys of a tree. */
const COUNTS = ["repoBlocks", "nodes", "pages"];
const WAIT_MS = 60_000;
/** The time after which an answer is reported as slow. */
const SLOW_MS = 5_000;
