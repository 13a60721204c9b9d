// Tables of bad requests and their refusals.

import assert from "node:assert/strict";
import { test } from "node:test";

import { latestCommit, procedure, send, signIn, writer } from "./xrpc.mjs";

/** A valid CID of no existing block. */
export const OTHER_CID = "bafyreihyrpefhacm6kkp4ql6j6udakdit7g3dmkzfriqfykhjw6cad5lrm";
/** The collection of the existing record, whose key is `here`. */
export const COLLECTION = "com.example.shell";
export const CREATE = "com.atproto.repo.createRecord";
export const PUT = "com.atproto.repo.putRecord";
export const DELETE = "com.atproto.repo.deleteRecord";

/**
 * A refusal: a message, with status 400 and error `InvalidRequest`, or all three.
 *
 * @typedef {string | RegExp | [number, string, string | RegExp]} Refusal
 */

/** A signed-in client that sends bad requests. */
export class Asker {
	/** @type {{ accessJwt: string, refreshJwt: string }} */ session;
	/** The answer to the write of the existing record. */ here;

	#server;

	/** @param {() => import('./hosts.mjs').Server} server */
	constructor(server) {
		this.#server = server;
	}

	/** On the first call, signs in and writes the existing record. */
	async prepare() {
		if (this.session) return;
		this.session = await signIn(this.#server());
		const { create } = writer(this.#server(), this.session);
		this.here = await create(COLLECTION, { is: "here" }, "here");
	}

	/** Calls a procedure that writes to the collection. */
	write(nsid, input) {
		const whole = { repo: this.#server().did, collection: COLLECTION, ...input };
		return procedure(this.#server(), nsid, whole, this.session.accessJwt);
	}

	/** Calls a procedure with a raw body, with or without a content type. */
	body(nsid, body, type = "application/json") {
		const headers = { authorization: `Bearer ${this.session.accessJwt}` };
		if (type) headers["content-type"] = type;
		// A string would get a default content type.
		const bytes = typeof body === "string" ? Buffer.from(body) : body;
		return send(this.#server(), `/xrpc/${nsid}`, { method: "POST", headers, body: bytes });
	}

	/**
	 * Declares a test that each call in a table gets its refusal and changes nothing.
	 *
	 * @param {string} title
	 * @param {() => [string, () => Promise<import('./xrpc.mjs').Answer>, Refusal][]} rows
	 */
	refused(title, rows) {
		test(title, async (t) => {
			await this.prepare();
			for (const [name, call, refusal] of rows()) {
				await t.test(name, async () => {
					const before = await latestCommit(this.#server());
					expectRefusal(await call(), refusal);
					assert.deepEqual(await latestCommit(this.#server()), before);
				});
			}
		});
	}
}

/** @param {import('./xrpc.mjs').Answer} answer @param {Refusal} refusal */
function expectRefusal(answer, refusal) {
	const [status, error, message] = Array.isArray(refusal)
		? refusal
		: [400, "InvalidRequest", refusal];
	const told = new TextDecoder().decode(answer.bytes);
	assert.equal(answer.status, status, told);
	assert.match(answer.headers.get("content-type"), /^application\/json/);
	assert.equal(answer.headers.get("access-control-allow-origin"), "*");
	assert.deepEqual(Object.keys(answer.json), ["error", "message"]);
	assert.equal(answer.json.error, error, told);
	if (message instanceof RegExp) assert.match(answer.json.message, message);
	else assert.equal(answer.json.message, message);
}
