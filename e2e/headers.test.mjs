// Headers for scripts of other origins and for caches, and the documents at well-known paths.

import assert from "node:assert/strict";
import { test } from "node:test";

import { onEachHost } from "./hosts.mjs";
import { fetchAs } from "./loopback.mjs";
import { Asker, CREATE, PUT } from "./refused.mjs";
import { query, send } from "./xrpc.mjs";

onEachHost("headers", (server) => {
	const asker = new Asker(server);
	const authorized = (authorization) =>
		send(server(), "/xrpc/com.atproto.server.getSession", { headers: { authorization } });

	test("scripts of any origin may call every method and read its response", async () => {
		const asked = "authorization,content-type,dpop,atproto-proxy";
		for (const path of [
			`/xrpc/${CREATE}`,
			"/xrpc/com.atproto.sync.getRepo",
			"/xrpc/com.example.none",
		]) {
			const answer = await send(server(), path, {
				method: "OPTIONS",
				headers: {
					origin: "https://example.com",
					"access-control-request-method": "POST",
					"access-control-request-headers": asked,
				},
			});
			assert.ok([200, 204].includes(answer.status));
			assert.equal(answer.headers.get("access-control-allow-origin"), "*");
			const allowed = words(answer.headers.get("access-control-allow-headers"));
			for (const name of words(asked)) assert.ok(allowed.includes(name), name);
			const methods = words(answer.headers.get("access-control-allow-methods"));
			for (const verb of ["get", "post"]) assert.ok(methods.includes(verb), verb);
		}
		for (const path of OPEN_PATHS) {
			const answer = await send(server(), path, { headers: { origin: "https://example.com" } });
			assert.equal(answer.headers.get("access-control-allow-origin"), "*", path);
			const exposed = words(answer.headers.get("access-control-expose-headers"));
			for (const name of EXPOSED) assert.ok(exposed.includes(name), `${path} hides ${name}`);
		}
	});

	test("responses to a session are not cached", async () => {
		await asker.prepare();
		const { did } = server();
		const { accessJwt } = asker.session;
		for (const answer of [
			await query(server(), "com.atproto.server.getSession", {}, accessJwt),
			await query(server(), "com.atproto.sync.getLatestCommit", { did }, accessJwt),
			await asker.write(PUT, { rkey: "cached", record: {} }),
			await authorized("Bearer abc"),
		]) {
			assert.equal(answer.headers.get("cache-control"), "private");
			assert.ok(words(answer.headers.get("vary")).includes("authorization"));
		}
		const open = await query(server(), "com.atproto.sync.getLatestCommit", { did });
		assert.notEqual(open.headers.get("cache-control"), "private");
	});

	test("well-known documents identify the account and its server", async () => {
		const { did, handle, publicKey, url } = server();
		const document = (await send(server(), "/.well-known/did.json")).expect();
		assert.equal(document.id, did);
		assert.deepEqual(document.alsoKnownAs, [`at://${handle}`]);
		const [method] = document.verificationMethod;
		assert.equal(`did:key:${method.publicKeyMultibase}`, publicKey);
		assert.equal(document.service[0].serviceEndpoint, url);
		const path = new URL("/.well-known/atproto-did", url);
		assert.equal((await (await fetchAs(handle, path)).text()).trim(), did);
		const other = await fetchAs("bob.test", path);
		assert.equal(other.status, 404);
		assert.equal(await other.text(), "User not found");
		const health = (await send(server(), "/xrpc/_health")).expect();
		assert.match(health.version, /^nacre /);
		for (const plain of ["/", "/robots.txt"]) {
			const answer = await send(server(), plain);
			assert.equal(answer.status, 200);
			assert.match(answer.headers.get("content-type"), /^text\/plain/);
		}
	});
});

/** Returns the words in a list header. */
function words(header) {
	return (header ?? "").split(",").map((word) => word.trim().toLowerCase());
}

/** One path of each kind: documents, queries, procedures, CARs, refusals. */
const OPEN_PATHS = [
	"/",
	"/.well-known/did.json",
	"/.well-known/atproto-did",
	"/xrpc/_health",
	"/xrpc/com.atproto.server.describeServer",
	"/xrpc/com.atproto.server.getSession",
	`/xrpc/${CREATE}`,
	"/xrpc/com.atproto.sync.getRepo?did=did:web:example.com",
	"/xrpc/com.example.none",
	"/nothing/here",
];
const EXPOSED = [
	"atproto-content-labelers",
	"atproto-repo-rev",
	"dpop-nonce",
	"ratelimit-limit",
	"ratelimit-remaining",
	"ratelimit-reset",
	"retry-after",
	"www-authenticate",
];
