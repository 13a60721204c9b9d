// A client for the reference cases. Its calls return any status and body.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { procedure, query, send, signIn } from "./xrpc.mjs";

/** @typedef {import('./hosts.mjs').Server} Server */

/** Calls methods of one server as its owner. */
export class Caller {
	#server;
	#session;

	/** @param {() => Server} server */
	constructor(server) {
		this.#server = server;
	}

	get server() {
		return this.#server();
	}

	get did() {
		return this.server.did;
	}

	/** Returns the access token of its own session. */
	async token() {
		this.#session ??= await signIn(this.server);
		return this.#session.accessJwt;
	}

	/** Calls a query; without a session if `options.anonymous`. */
	async get(nsid, params = {}, { anonymous = false } = {}) {
		return query(this.server, nsid, params, anonymous ? undefined : await this.token());
	}

	/** Calls a procedure with a JSON body. */
	async post(nsid, input) {
		return procedure(this.server, nsid, input, await this.token());
	}

	/** Calls a procedure with a body of another type. */
	async send(nsid, type, body, headers = {}) {
		const authorization = `Bearer ${await this.token()}`;
		return send(this.server, `/xrpc/${nsid}`, {
			method: "POST",
			headers: { authorization, "content-type": type, ...headers },
			body,
		});
	}

	/** Calls an operator route with the development token of both hosts. */
	async operate(method, command, token) {
		const lines = await readFile(join(this.server.folder, "pds.env"), "utf8");
		token ??= /^AUTH_TOKEN=(.*)$/m.exec(lines)[1];
		const headers = { authorization: `Bearer ${token}` };
		return send(this.server, `/operator/${command}`, { method, headers });
	}

	create(collection, record, more = {}) {
		const input = { repo: this.did, collection, record, ...more };
		return this.post("com.atproto.repo.createRecord", input);
	}

	put(collection, rkey, record, more = {}) {
		const input = { repo: this.did, collection, rkey, record, ...more };
		return this.post("com.atproto.repo.putRecord", input);
	}

	delete(collection, rkey, more = {}) {
		const input = { repo: this.did, collection, rkey, ...more };
		return this.post("com.atproto.repo.deleteRecord", input);
	}

	apply(writes, more = {}) {
		return this.post("com.atproto.repo.applyWrites", { repo: this.did, writes, ...more });
	}

	read(collection, rkey, more = {}) {
		const params = { repo: this.did, collection, rkey, ...more };
		return this.get("com.atproto.repo.getRecord", params, { anonymous: true });
	}

	sync(method, params = {}) {
		const all = { did: this.did, ...params };
		return this.get(`com.atproto.sync.${method}`, all, { anonymous: true });
	}

	async head() {
		return (await this.sync("getLatestCommit")).expect();
	}
}

/**
 * Asserts that an answer has this status, error and message.
 *
 * @param {import('./xrpc.mjs').Answer} answer
 * @param {number} status
 * @param {string} name
 * @param {string | RegExp} message
 */
export function refused(answer, status, name, message) {
	const { error, message: actual } = answer.json;
	assert.deepEqual([answer.status, error], [status, name], actual);
	if (message instanceof RegExp) assert.match(actual, message);
	else assert.equal(actual, message);
}

/** A write of a batch. */
export function write(action, collection, rkey, value) {
	return { $type: `com.atproto.repo.applyWrites#${action}`, collection, rkey, value };
}
