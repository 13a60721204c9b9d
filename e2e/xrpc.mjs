// XRPC without a client library, down to the bytes of requests and responses.

/** @typedef {import('./hosts.mjs').Server} Server */

/** A response with its whole body. */
export class Answer {
	/** @type {number} */ status;
	/** @type {Headers} */ headers;
	/** @type {Uint8Array} */ bytes;

	/** The body as JSON. */
	get json() {
		return JSON.parse(new TextDecoder().decode(this.bytes));
	}

	/** Returns the JSON body of a success; throws on anything else. */
	expect() {
		if (this.status !== 200) {
			throw new Error(`status ${this.status}: ${new TextDecoder().decode(this.bytes)}`);
		}
		return this.bytes.length > 0 ? this.json : undefined;
	}
}

/**
 * Sends a request to a path of the server.
 *
 * @param {Server} server
 * @param {string} path
 * @param {RequestInit} init
 */
export async function send(server, path, init = {}) {
	const response = await fetch(new URL(path, server.url), { redirect: "error", ...init });
	const answer = new Answer();
	answer.status = response.status;
	answer.headers = response.headers;
	answer.bytes = new Uint8Array(await response.arrayBuffer());
	return answer;
}

/**
 * Calls a query.
 *
 * @param {Server} server
 * @param {string} nsid
 * @param {Record<string, string>} params
 * @param {string} [token]
 */
export function query(server, nsid, params = {}, token) {
	const text = new URLSearchParams(params).toString();
	return send(server, `/xrpc/${nsid}${text ? `?${text}` : ""}`, { headers: bearer(token) });
}

/**
 * Calls a procedure.
 *
 * @param {Server} server
 * @param {string} nsid
 * @param {unknown} input
 * @param {string} [token]
 */
export function procedure(server, nsid, input, token) {
	const headers = bearer(token);
	if (input === undefined) return send(server, `/xrpc/${nsid}`, { method: "POST", headers });
	headers["content-type"] = "application/json";
	return send(server, `/xrpc/${nsid}`, { method: "POST", headers, body: JSON.stringify(input) });
}

/** Opens a session and returns it. @param {Server} server */
export async function signIn(server) {
	const { did: identifier, password } = server;
	const answer = await procedure(server, "com.atproto.server.createSession", {
		identifier,
		password,
	});
	const session = answer.expect();
	server.keepSecret?.(session.accessJwt);
	server.keepSecret?.(session.refreshJwt);
	return session;
}

/**
 * Writes records for one session.
 *
 * @param {Server} server
 * @param {{ accessJwt: string }} session
 */
export function writer(server, { accessJwt }) {
	const write = async (verb, input) => {
		const nsid = `com.atproto.repo.${verb}Record`;
		return (await procedure(server, nsid, { repo: server.did, ...input }, accessJwt)).expect();
	};
	return {
		create: (collection, record, rkey) => write("create", { collection, rkey, record }),
		put: (collection, rkey, record) => write("put", { collection, rkey, record }),
		delete: (collection, rkey) => write("delete", { collection, rkey }),
	};
}

/**
 * Returns the head of the repository. A token also reads that of an inactive account.
 *
 * @param {Server} server
 * @param {string} [token]
 */
export async function latestCommit(server, token) {
	const params = { did: server.did };
	return (await query(server, "com.atproto.sync.getLatestCommit", params, token)).expect();
}

/**
 * Imports a CAR.
 *
 * @param {Server} server
 * @param {Uint8Array} car
 * @param {{ accessJwt: string }} session
 * @param {Record<string, string>} headers
 */
export async function importCar(server, car, { accessJwt }, headers = {}) {
	return send(server, "/xrpc/com.atproto.repo.importRepo", {
		method: "POST",
		headers: {
			authorization: `Bearer ${accessJwt}`,
			"content-type": "application/vnd.ipld.car",
			...headers,
		},
		body: car,
	});
}

/** Activates the account. @param {Server} server @param {{ accessJwt: string }} session */
export async function activate(server, { accessJwt }) {
	const method = "com.atproto.server.activateAccount";
	(await procedure(server, method, undefined, accessJwt)).expect();
}

/** Deactivates the account. @param {Server} server @param {{ accessJwt: string }} session */
export async function deactivate(server, { accessJwt }) {
	const method = "com.atproto.server.deactivateAccount";
	(await procedure(server, method, {}, accessJwt)).expect();
}

/**
 * Returns the repository as a CAR.
 *
 * @param {Server} server
 * @param {string} [since]
 * @param {string} [token]
 */
export async function exportRepo(server, since, token) {
	const params = since ? { did: server.did, since } : { did: server.did };
	const answer = await query(server, "com.atproto.sync.getRepo", params, token);
	if (answer.status !== 200) answer.expect();
	return answer.bytes;
}

/** @returns {Record<string, string>} */
function bearer(token) {
	return token ? { authorization: `Bearer ${token}` } : {};
}
