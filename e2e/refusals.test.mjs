// Refusals with their exact status, error and message. None of them changes the repository.

import assert from "node:assert/strict";
import { test } from "node:test";

import { onEachHost } from "./hosts.mjs";
import { Asker, COLLECTION, CREATE, OTHER_CID } from "./refused.mjs";
import { procedure, query, send } from "./xrpc.mjs";

onEachHost("refusals", (server) => {
	const asker = new Asker(server);
	const authorized = (authorization) =>
		send(server(), "/xrpc/com.atproto.server.getSession", { headers: { authorization } });

	asker.refused("invalid credentials", () => [
		[
			"none",
			() => query(server(), "com.atproto.server.getSession"),
			[401, "AuthMissing", "Authentication Required"],
		],
		[
			"none for a write",
			() => procedure(server(), CREATE, {}),
			[401, "AuthMissing", "Authentication Required"],
		],
		[
			"no token",
			() => authorized("Bearer"),
			[400, "InvalidToken", "Malformed authorization header"],
		],
		[
			"two tokens",
			() => authorized("Bearer a b"),
			[400, "InvalidToken", "Malformed authorization header"],
		],
		[
			"another scheme",
			() => authorized("Digest abc"),
			[400, "InvalidToken", "Unsupported authorization type: Digest"],
		],
		[
			"Basic",
			() => authorized("Basic YWRtaW46YWRtaW4="),
			[400, "InvalidToken", "Unexpected authorization type"],
		],
		["DPoP", () => authorized("DPoP abc"), [400, "InvalidToken", "Unexpected authorization type"]],
		[
			"no JWT",
			() => authorized("Bearer abc"),
			[400, "InvalidToken", "Token could not be verified"],
		],
		[
			"a changed signature",
			() => authorized(`Bearer ${changed(asker.session.accessJwt)}`),
			[400, "InvalidToken", "Token could not be verified"],
		],
		[
			"a token that is not signed",
			() => authorized(`Bearer ${unsigned(asker.session.accessJwt)}`),
			[400, "InvalidToken", "Token could not be verified"],
		],
		[
			"a refresh token for access",
			() => authorized(`Bearer ${asker.session.refreshJwt}`),
			[400, "InvalidToken", "Token could not be verified"],
		],
		[
			"an access token for a refresh",
			() =>
				procedure(
					server(),
					"com.atproto.server.refreshSession",
					undefined,
					asker.session.accessJwt,
				),
			[400, "InvalidToken", "Token could not be verified"],
		],
		[
			"an access token to sign out",
			() =>
				procedure(server(), "com.atproto.server.deleteSession", undefined, asker.session.accessJwt),
			[400, "InvalidToken", "Token could not be verified"],
		],
		[
			"a bad token where none is needed",
			() => query(server(), "com.atproto.sync.getLatestCommit", { did: server().did }, "abc"),
			[400, "InvalidToken", "Token could not be verified"],
		],
		[
			"a password that is too long",
			() =>
				procedure(server(), "com.atproto.server.createSession", {
					identifier: server().did,
					password: "x".repeat(513),
				}),
			[401, "AuthenticationRequired", "Password too long. Consider resetting your password."],
		],
	]);

	test("the authorization scheme is case-insensitive", async () => {
		await asker.prepare();
		for (const scheme of ["bearer", "BEARER"]) {
			assert.equal((await authorized(`${scheme} ${asker.session.accessJwt}`)).status, 200);
		}
	});

	asker.refused("unknown methods and wrong HTTP verbs", () => [
		[
			"an unknown method",
			() => query(server(), "com.example.nothing.here"),
			[501, "MethodNotImplemented", "Method Not Implemented"],
		],
		[
			"an unknown procedure",
			() => procedure(server(), "com.example.nothing.here", {}),
			[501, "MethodNotImplemented", "Method Not Implemented"],
		],
		[
			"a query as a procedure",
			() => procedure(server(), "com.atproto.server.describeServer", {}),
			"Incorrect HTTP method (POST) expected GET",
		],
		[
			"a procedure as a query",
			() => query(server(), CREATE),
			"Incorrect HTTP method (GET) expected POST",
		],
		[
			"another verb",
			() => send(server(), `/xrpc/${CREATE}`, { method: "PUT" }),
			"Incorrect HTTP method (PUT) expected POST",
		],
		["no method", () => send(server(), "/xrpc/"), "invalid xrpc path"],
		[
			"a path after the method",
			() => send(server(), "/xrpc/com.atproto.server.describeServer/x"),
			"invalid xrpc path",
		],
		["what is no method", () => send(server(), "/xrpc/x"), "invalid xrpc path"],
		["another path", () => send(server(), "/nothing/here"), [404, "NotFound", "Not Found"]],
	]);

	asker.refused("bodies that are not a valid input", () => [
		[
			"none",
			() => asker.body(CREATE, undefined, null),
			"A request body is expected but none was provided",
		],
		[
			"an empty one",
			() => asker.body(CREATE, ""),
			"A request body is expected but none was provided",
		],
		[
			"of no type",
			() => asker.body(CREATE, "{}", null),
			"Request encoding (Content-Type) required but not provided",
		],
		[
			"of another type",
			() => asker.body(CREATE, "{}", "text/plain"),
			"Wrong request encoding (Content-Type): text/plain",
		],
		[
			"where there is none",
			() => procedure(server(), "com.atproto.server.refreshSession", {}, asker.session.refreshJwt),
			"A request body was provided when none was expected",
		],
		["no JSON", () => asker.body(CREATE, '{"repo":'), /^Invalid input: /],
		["not UTF-8", () => asker.body(CREATE, Buffer.from('{"\xff"', "latin1")), /^Invalid input: /],
		["no object", () => asker.body(CREATE, "[]"), "Input must be an object"],
		[
			"the fields of an object in an array",
			() => asker.body(CREATE, `["${server().did}","${COLLECTION}",null,null,{},null]`),
			"Input must be an object",
		],
		["nothing in it", () => asker.body(CREATE, "{}"), /repo/],
		["braces without end", () => asker.body(CREATE, '{"a":'.repeat(100_000)), /^Invalid input: /],
		[
			"over 1,000,000 bytes",
			() => asker.body(CREATE, record(1_000_001)),
			[413, "PayloadTooLargeError", "request entity too large"],
		],
		[
			"over 150 KB where no record is",
			() => asker.body("com.atproto.server.createSession", " ".repeat(150 * 1024 + 1)),
			[413, "PayloadTooLargeError", "request entity too large"],
		],
	]);

	test("a body of 1,000,000 bytes is accepted", async () => {
		await asker.prepare();
		const answer = await asker.body(CREATE, record(1_000_000));
		assert.equal(answer.status, 200, new TextDecoder().decode(answer.bytes));
	});

	asker.refused("parameters that are not the method’s", () => {
		const get = (params) =>
			query(server(), "com.atproto.repo.getRecord", {
				repo: server().did,
				collection: COLLECTION,
				rkey: "here",
				...params,
			});
		const list = (params) =>
			query(server(), "com.atproto.repo.listRecords", {
				repo: server().did,
				collection: COLLECTION,
				...params,
			});
		return [
			[
				"none",
				() => query(server(), "com.atproto.repo.getRecord"),
				/^Params must have the property/,
			],
			[
				"twice",
				() => send(server(), "/xrpc/com.atproto.repo.describeRepo?repo=a.test&repo=b.test"),
				/repo/,
			],
			["a CID that is none", () => get({ cid: "nothing" }), "Invalid CID: nothing"],
			["a collection that is no NSID", () => get({ collection: "shells" }), /collection/],
			["a key that is none", () => get({ rkey: "a/b" }), /rkey/],
			["a repository that is none", () => get({ repo: "nobody" }), /repo/],
			[
				"a record that is not there",
				() => get({ rkey: "gone" }),
				[400, "RecordNotFound", `Could not locate record: at://${server().did}/${COLLECTION}/gone`],
			],
			[
				"another version of a record",
				() => get({ cid: OTHER_CID }),
				[400, "RecordNotFound", `Could not locate record: at://${server().did}/${COLLECTION}/here`],
			],
			["a record of somebody else", () => get({ repo: "bob.test" }), "Could not locate record"],
			["a list of nothing", () => list({ limit: "0" }), /limit/],
			["a list that is too long", () => list({ limit: "101" }), /limit/],
			["a list of some length", () => list({ limit: "abc" }), /limit/],
			["a list in some direction", () => list({ reverse: "maybe" }), /reverse/],
			[
				"records of somebody else",
				() => list({ repo: "bob.test" }),
				"Could not find repo: bob.test",
			],
			[
				"a description of somebody else",
				() => query(server(), "com.atproto.repo.describeRepo", { repo: "bob.test" }),
				/^Could not/,
			],
			[
				"a handle that is none",
				() => query(server(), "com.atproto.identity.resolveHandle", { handle: "x" }),
				/handle/,
			],
			[
				"a rev that is none",
				() => query(server(), "com.atproto.sync.getRepo", { did: server().did, since: "abc" }),
				/since/,
			],
			[
				"a DID that is none",
				() => query(server(), "com.atproto.sync.getRepo", { did: server().handle }),
				/did/,
			],
			[
				"a cursor that was never given",
				() => query(server(), "com.atproto.sync.listRepos", { cursor: "abc" }),
				"Malformed cursor",
			],
			[
				"a broken escape",
				() => send(server(), "/xrpc/com.atproto.repo.describeRepo?repo=%zz"),
				"repo is not percent-encoded UTF-8",
			],
			[
				"half a character",
				() => send(server(), "/xrpc/com.atproto.repo.describeRepo?repo=%ff"),
				"repo is not percent-encoded UTF-8",
			],
			...["getLatestCommit", "getRepo", "getRepoStatus"].map((method) => [
				`${method} of somebody else`,
				() => query(server(), `com.atproto.sync.${method}`, { did: "did:web:example.com" }),
				[400, "RepoNotFound", "Could not find repo for DID: did:web:example.com"],
			]),
		];
	});

	test("the 31st sign-in within five minutes is refused", async () => {
		const login = { identifier: "bob.test", password: "wrong" };
		const statuses = [];
		let last;
		for (let tries = 0; tries < 31; tries += 1) {
			last = await procedure(server(), "com.atproto.server.createSession", login);
			statuses.push(last.status);
		}
		assert.deepEqual(statuses, [...Array(30).fill(401), 429]);
		assert.deepEqual(last.json, { error: "RateLimitExceeded", message: "Rate Limit Exceeded" });
	});

	/** Returns an input with a record that has exactly this many bytes. */
	function record(bytes) {
		const input = { repo: server().did, collection: COLLECTION, record: { text: "" } };
		input.record.text = "x".repeat(bytes - JSON.stringify(input).length);
		return JSON.stringify(input);
	}
});

/** Returns a token with an invalid signature. */
function changed(token) {
	const at = token.lastIndexOf(".") + 1;
	return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

/** Returns an unsigned token with the same claims. */
function unsigned(token) {
	const header = Buffer.from('{"typ":"at+jwt","alg":"none"}').toString("base64url");
	return `${header}.${token.split(".")[1]}.`;
}
