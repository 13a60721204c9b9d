// Keeps the client libraries on this machine: no test may use the network.

import http from "node:http";

import { IdResolver } from "@atproto/identity";

/** A `fetch` that refuses every host but this machine. @type {typeof fetch} */
export async function loopbackFetch(input, init) {
	const { hostname } = new URL(input instanceof Request ? input.url : input);
	if (hostname !== "localhost") throw new Error(`a test sent a request to ${hostname}`);
	return fetch(input, init);
}

/**
 * Returns a resolver that knows only the server's did:web and handle.
 *
 * @param {import('./hosts.mjs').Server} server
 */
export function resolver(server) {
	const identities = new IdResolver({
		plcUrl: CLOSED_PORT,
		fetch: (input, init) => {
			const { hostname, pathname } = new URL(input);
			const ofHandle = hostname === server.handle && pathname === "/.well-known/atproto-did";
			return ofHandle
				? fetchAs(hostname, new URL(pathname, server.url))
				: loopbackFetch(input, init);
		},
	});
	// Handles for tests have no DNS.
	identities.handle.resolveDns = async () => undefined;
	return identities;
}

/**
 * Fetches a URL under another host name, as the proxy in front of a server would.
 *
 * @param {string} host
 * @param {URL} url
 * @returns {Promise<Response>}
 */
export function fetchAs(host, url) {
	return new Promise((resolve, reject) => {
		const request = http.get(url, { headers: { host } }, async (incoming) => {
			const pieces = await incoming.toArray();
			resolve(new Response(Buffer.concat(pieces), { status: incoming.statusCode }));
		});
		request.once("error", reject);
	});
}

/** Nothing listens on port 1. */
const CLOSED_PORT = "http://localhost:1";
