// Chapters about HTTP: paths, verbs, credentials, parameters and bodies.

import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";

import { COMMANDS, NOTE, OTHER_DID, OTHERS, PROCEDURES, QUERIES, UNSERVED } from "./routes.mjs";
import { queryString } from "./scene.mjs";

/** Paths of no method, and preflights. @param {import('./scene.mjs').Scene} scene */
export async function paths(scene) {
	const { token } = await scene.signIn().then(() => scene.owner);
	for (const path of PATHS) {
		for (const method of ["GET", "HEAD", "POST"]) {
			await scene.send(`${method} ${path}`, method, path);
		}
	}
	for (const path of ["/", "/xrpc/_health", "/nothing/here", "/xrpc/com.example.nothing.here"]) {
		for (const method of ["PUT", "DELETE", "PATCH", "PROPFIND"]) {
			await scene.send(`${method} ${path}`, method, path);
		}
		const headers = { authorization: `Bearer ${token}` };
		await scene.send(`GET ${path} with a token`, "GET", path, { headers });
		await scene.send(`OPTIONS ${path}`, "OPTIONS", path);
	}
	for (const host of ["alice.test", "ALICE.test", "alice.test:443", "bob.test", "pds.test"]) {
		for (const path of ["/.well-known/atproto-did", "/.well-known/did.json", "/"]) {
			await scene.send(`GET ${path} of ${host}`, "GET", path, { host });
		}
	}
	const preflight = (name, headers) =>
		scene.send(name, "OPTIONS", "/xrpc/com.atproto.repo.createRecord", { headers });
	const asked = "access-control-request-headers";
	await preflight("preflight for two headers", {
		origin: "https://example.com",
		"access-control-request-method": "POST",
		[asked]: "authorization,content-type",
	});
	await preflight("preflight for an unknown header", { [asked]: "x-pearl" });
	await preflight("preflight for 2,048 bytes of headers", { [asked]: "x".repeat(2_048) });
	await preflight("preflight for 2,049 bytes of headers", { [asked]: "x".repeat(2_049) });
	await preflight("preflight with a token", { authorization: `Bearer ${token}` });
	for (const nsid of UNSERVED) {
		await scene.query(`GET ${nsid}`, nsid, {}, { token });
		await scene.procedure(`POST ${nsid}`, nsid, {}, { token });
	}
	const headers = { "atproto-proxy": "did:web:api.bsky.app#bsky_appview" };
	await scene.query("proxy an unserved method", "app.bsky.feed.getTimeline", {}, { headers });
	await scene.query("proxy with a token", "app.bsky.feed.getTimeline", {}, { headers, token });
	const served = "com.atproto.server.describeServer";
	await scene.query("proxy a served method", served, {}, { headers });
	const odd = { "atproto-proxy": "nothing" };
	await scene.query("proxy to nothing", "app.bsky.feed.getTimeline", {}, { headers: odd, token });
}

/** Every method with every kind of credential, with each verb, and without its input. */
export async function access(scene) {
	await scene.signIn();
	const { refreshJwt } = scene.session;
	const operator = await scene.variable("AUTH_TOKEN");
	const credentials = {
		"no token": undefined,
		garbage: "abc",
		"the access token": scene.owner.token,
	};
	const every = [
		...Object.keys(QUERIES),
		...Object.keys(PROCEDURES),
		...Object.keys(OTHERS),
	].sort();
	for (const nsid of every) {
		const path = `/xrpc/${nsid}`;
		for (const method of ["GET", "HEAD", "POST", "PUT", "OPTIONS"]) {
			await scene.send(`${method} ${nsid}`, method, path);
		}
		const method = nsid in QUERIES ? "GET" : "POST";
		for (const [name, token] of Object.entries(credentials)) {
			if (name === "no token") continue;
			await scene.send(`${nsid} with ${name}`, method, path, { token });
		}
		// These two would end the session of the token.
		if (!/deleteSession|refreshSession/.test(nsid)) {
			await scene.send(`${nsid} with the refresh token`, method, path, { token: refreshJwt });
		}
		await scene.send(`${nsid} with the operator's token`, method, path, { token: operator });
	}
	for (const [command, method] of Object.entries(COMMANDS)) {
		const path = `/operator/${command}`;
		for (const other of ["GET", "HEAD", "POST", "DELETE", "OPTIONS"]) {
			await scene.send(`${other} ${path}`, other, path);
		}
		for (const [name, token] of Object.entries({
			...credentials,
			"the refresh token": refreshJwt,
		})) {
			await scene.send(`${path} with ${name}`, method, path, { token });
		}
	}
}

/** Every parameter of every query: absent, empty, repeated, invalid, and with others. */
export async function parameters(scene) {
	await scene.signIn();
	await scene.put("a record to read", NOTE, "a", { n: 1 });
	await scene.put("another record", NOTE, "b", { n: 2 });
	for (const [nsid, { owner, required, optional = {}, bad = {} }] of Object.entries(QUERIES)) {
		const ask = (name, params) =>
			scene.query(`${nsid} ${name}`, nsid, params, owner ? scene.owner : {});
		const good = { ...required, ...optional };
		await ask("with what it requires", required);
		if (Object.keys(optional).length > 0) await ask("with everything", good);
		await ask("with an unknown parameter", { ...required, unknown: "1", "": "2" });
		await ask("with a token", required, scene.owner);
		for (const name of Object.keys(good)) {
			const { [name]: value, ...rest } = good;
			if (name in required) await ask(`without ${name}`, rest);
			await ask(`with an empty ${name}`, { ...required, [name]: "" });
			const more = new URLSearchParams({ ...required, [name]: value });
			more.append(name, value);
			await ask(`with ${name} twice`, more.toString());
			await ask(
				`with ${name} in brackets`,
				`${new URLSearchParams({ ...required, [`${name}[]`]: value })}`,
			);
		}
		for (const [name, values] of Object.entries(bad)) {
			for (const [index, value] of values.entries()) {
				await ask(`with bad ${name} ${index + 1}`, { ...required, [name]: value });
			}
		}
	}
	const describe = (name, text) =>
		scene.send(name, "GET", `/xrpc/com.atproto.repo.describeRepo${queryString(text)}`);
	await describe("a broken escape", "repo=%zz");
	await describe("half a character", "repo=%ff");
	await describe("an escaped name", "%72epo=alice.test");
	await describe("a plus sign", "repo=alice+test");
	await describe("a DID that is not escaped", "repo=did:web:pds.test");
	await describe("a question mark more", "?repo=alice.test");
	await describe("empty pairs", "&&repo=alice.test&&=&");
	await describe("a name without a value", "repo");
	for (const count of [100, 101, 200, 201, 300, 1_000]) {
		const pairs = Array.from({ length: count - 1 }, (_, n) => `x${n}=1`);
		await describe(`${count} parameters`, ["repo=alice.test", ...pairs].join("&"));
	}
	for (const length of [4_000, 9_000, 20_000]) {
		await describe(`${length} bytes of parameters`, `repo=alice.test&x=${"x".repeat(length)}`);
	}
}

/** Every field of every input: absent, null, of another type; and malformed bodies. */
export async function bodies(scene) {
	await scene.signIn();
	const { deactivateAccount, ...rest } = Object.fromEntries(
		Object.entries(PROCEDURES).map(([nsid, row]) => [nsid.split(".").at(-1), { nsid, ...row }]),
	);
	for (const [short, { nsid, input, required, owner }] of Object.entries(rest)) {
		const credentials = owner ? scene.owner : {};
		const call = (name, json) => scene.procedure(`${short} ${name}`, nsid, json, credentials);
		await call("with all fields", input);
		await call("with an unknown field", { ...input, unknown: 1 });
		for (const name of Object.keys(input)) {
			const { [name]: _, ...others } = input;
			if (required.includes(name)) await call(`without ${name}`, others);
			for (const [kind, value] of Object.entries({ null: null, "a number": 7, "an array": [] })) {
				await call(`whose ${name} is ${kind}`, { ...input, [name]: value });
			}
			if (!["writes", "record", "validate"].includes(name)) {
				await call(`whose ${name} is too long`, { ...input, [name]: "x".repeat(3_000) });
				await call(`whose ${name} is empty`, { ...input, [name]: "" });
			}
		}
		await malformed(scene, short, nsid, credentials);
	}
	await malformed(scene, "deactivateAccount", deactivateAccount.nsid, scene.owner);

	// Procedures without an input.
	const refresh = { token: scene.session.refreshJwt };
	for (const [path, options] of [
		["/xrpc/com.atproto.server.refreshSession", refresh],
		["/xrpc/com.atproto.server.activateAccount", scene.owner],
		["/operator/emit-identity", { token: await scene.variable("AUTH_TOKEN") }],
	]) {
		const post = (name, more) =>
			scene.send(`${path} ${name}`, "POST", path, { ...options, ...more });
		await post("with JSON", { json: {} });
		await post("with text", { body: "x", headers: { "content-type": "text/plain" } });
		await post("with an empty body", { body: "" });
		await post("with an empty body in chunks", { pieces: [], headers: CHUNKED });
		await post("with a body in chunks", { pieces: [Buffer.from("x")], headers: CHUNKED });
		await post("with a coding and no body", { headers: { "content-encoding": "gzip" } });
	}
	for (const nsid of ["com.atproto.server.getSession", "com.atproto.server.describeServer"]) {
		await scene.send(`${nsid} with a body`, "GET", `/xrpc/${nsid}`, { ...scene.owner, json: {} });
	}
}

/** Bodies of `createRecord` in every coding, and near its limit. */
export async function codings(scene) {
	await scene.signIn();
	const record = { repo: scene.server.did, collection: NOTE, rkey: "a", record: { n: 1 } };
	const json = Buffer.from(JSON.stringify({ ...record, swapRecord: undefined }));
	const put = (name, body, headers = {}) =>
		scene.send(name, "POST", "/xrpc/com.atproto.repo.putRecord", {
			...scene.owner,
			body,
			summary: name,
			headers: { "content-type": "application/json", ...headers },
		});
	const coded = (coding) => ({ "content-encoding": coding });
	await put("plain", json);
	await put("identity", json, coded("identity"));
	await put("gzip", gzipSync(json), coded("gzip"));
	await put("GZIP", gzipSync(json), coded("GZIP"));
	await put("x-gzip", gzipSync(json), coded("x-gzip"));
	await put(
		"two gzip members",
		Buffer.concat([gzipSync(json.subarray(0, 9)), gzipSync(json.subarray(9))]),
		coded("gzip"),
	);
	await put("deflate", deflateSync(json), coded("deflate"));
	await put("raw deflate", deflateRawSync(json), coded("deflate"));
	await put("br", json, coded("br"));
	await put("zstd", json, coded("zstd"));
	await put("gzip twice", json, coded("gzip, gzip"));
	await put("an empty coding", json, coded(""));
	await put("a coding that is not ASCII", json, coded("gz\u00efp"));
	await put("plain text said to be gzip", json, coded("gzip"));
	await put("truncated gzip", gzipSync(json).subarray(0, -1), coded("gzip"));
	await put("gzip and garbage", Buffer.concat([gzipSync(json), Buffer.from("x")]), coded("gzip"));
	await put("an empty body said to be gzip", Buffer.alloc(0), coded("gzip"));
	await put("20 MiB in gzip", gzipSync(Buffer.alloc(20 << 20, " ")), coded("gzip"));
	await put("a byte order mark", Buffer.concat([Buffer.from("efbbbf", "hex"), json]));
	await put("spaces around", Buffer.from(`\n ${json} \n`));
	await put("text after it", Buffer.from(`${json}x`));
	await put("a field twice", Buffer.from(json.toString().replace("{", '{"rkey":"b",')));
	await put("escapes", Buffer.from(json.toString().replace('"a"', '"\\u0061"')));
	await put("half a surrogate", Buffer.from(json.toString().replace('"n"', '"\\ud800"')));
	await put("not UTF-8", Buffer.concat([json.subarray(0, -2), Buffer.from([0x2c, 0x22, 0xff])]));
	for (const type of [
		"application/json; charset=utf-8",
		"APPLICATION/JSON",
		"application/json;",
		"application/ld+json",
		"text/plain",
		"*/*",
		"",
	]) {
		await put(`content type ${type || "empty"}`, json, { "content-type": type });
	}
	const chunked = (name, pieces) =>
		scene.send(name, "POST", "/xrpc/com.atproto.repo.putRecord", {
			...scene.owner,
			pieces,
			headers: { ...CHUNKED, "content-type": "application/json" },
		});
	await chunked("in chunks", [json.subarray(0, 20), json.subarray(20)]);
	await chunked("no chunks", []);
	for (const bytes of [1_000_000, 1_000_001, 3_000_000]) {
		const input = { ...record, rkey: "large", record: { text: "" } };
		input.record.text = "x".repeat(bytes - JSON.stringify(input).length);
		await put(`${bytes} bytes`, Buffer.from(JSON.stringify(input)));
		await chunked(`${bytes} bytes in chunks`, [Buffer.from(JSON.stringify(input))]);
	}
	for (const [nsid, bytes] of [
		["com.atproto.server.createSession", 150 * 1024],
		["com.atproto.server.createSession", 150 * 1024 + 1],
		["com.atproto.repo.deleteRecord", 150 * 1024 + 1],
		["com.atproto.sync.requestCrawl", 8 * 1024],
		["com.atproto.sync.requestCrawl", 8 * 1024 + 1],
	]) {
		await scene.send(`${nsid} of ${bytes} bytes`, "POST", `/xrpc/${nsid}`, {
			...scene.owner,
			body: " ".repeat(bytes),
			headers: { "content-type": "application/json" },
		});
	}
	const list = `/xrpc/com.atproto.repo.listRecords?repo=${scene.server.did}&collection=${NOTE}`;
	for (const accepted of ["gzip", "br", "gzip;q=0", "*", "deflate, gzip;q=0.5", "identity"]) {
		for (const path of [list, "/xrpc/com.atproto.server.describeServer", "/"]) {
			const headers = { "accept-encoding": accepted };
			await scene.send(`accept ${accepted} ${path.split("?")[0]}`, "GET", path, { headers });
		}
	}
	await scene.send("HEAD of a list", "HEAD", list, { headers: { "accept-encoding": "gzip" } });
}

/** Bytes that no client library sends. Only the native host parses HTTP itself. */
export async function bytes(scene) {
	const head = "host: localhost\r\nconnection: close\r\n";
	const health = "GET /xrpc/_health HTTP/1.1\r\n";
	await scene.raw("a request", `${health}${head}\r\n`);
	await scene.raw("HTTP/1.0", "GET /xrpc/_health HTTP/1.0\r\n\r\n");
	await scene.raw("no host", `${health}connection: close\r\n\r\n`);
	await scene.raw("two hosts", `${health}host: a.test\r\n${head}\r\n`);
	await scene.raw("no HTTP", "pearl\r\n\r\n");
	await scene.raw("another version", "GET / HTTP/3.0\r\n\r\n");
	await scene.raw("a lower-case verb", `get / HTTP/1.1\r\n${head}\r\n`);
	await scene.raw(
		"an absolute address",
		`GET http://alice.test/.well-known/atproto-did HTTP/1.1\r\n${head}\r\n`,
	);
	await scene.raw("an asterisk", `OPTIONS * HTTP/1.1\r\n${head}\r\n`);
	await scene.raw("a space in the path", `GET /a b HTTP/1.1\r\n${head}\r\n`);
	await scene.raw("a fragment", `GET /#x HTTP/1.1\r\n${head}\r\n`);
	const many = Array.from({ length: 120 }, (_, n) => `x-${n}: 1\r\n`).join("");
	await scene.raw("120 headers", `${health}${head}${many}\r\n`);
	await scene.raw("a header of 200,000 bytes", `${health}${head}x: ${"x".repeat(200_000)}\r\n\r\n`);
	await scene.raw("a header without a colon", `${health}${head}pearl\r\n\r\n`);
	const crawl = `POST /xrpc/com.atproto.sync.requestCrawl HTTP/1.1\r\n${head}content-type: application/json\r\n`;
	await scene.raw("two lengths", `${crawl}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`);
	await scene.raw("a length that is none", `${crawl}content-length: x\r\n\r\n{}`);
	await scene.raw(
		"a length and chunks",
		`${crawl}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
	);
	await scene.raw("chunks that are none", `${crawl}transfer-encoding: chunked\r\n\r\nx\r\n`);
	const body = '{"hostname":"a"}';
	await scene.raw(
		"expect",
		`${crawl}expect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
	);
	const upgrade = "connection: upgrade, close\r\nupgrade: websocket\r\n";
	const subscribe =
		"GET /xrpc/com.atproto.sync.subscribeRepos?cursor=9007199254740991 HTTP/1.1\r\nhost: localhost\r\n";
	const key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
	const version = "sec-websocket-version: 13\r\n";
	await scene.raw("an upgrade without a key", `${subscribe}${upgrade}${version}\r\n`);
	await scene.raw(
		"an upgrade with a bad key",
		`${subscribe}${upgrade}${version}sec-websocket-key: x\r\n\r\n`,
	);
	await scene.raw(
		"an upgrade of another version",
		`${subscribe}${upgrade}${key}sec-websocket-version: 8\r\n\r\n`,
	);
	await scene.raw(
		"an upgrade by HTTP/1.0",
		`${subscribe.replace("1.1", "1.0")}${upgrade}${key}${version}\r\n`,
	);
	await scene.raw(
		"an upgrade elsewhere",
		`GET /xrpc/_health HTTP/1.1\r\nhost: localhost\r\n${upgrade}${key}${version}\r\n`,
	);
}

/** Bodies that are not an input of a method. */
async function malformed(scene, short, nsid, credentials) {
	const send = (name, body, type = "application/json") =>
		scene.send(`${short} ${name}`, "POST", `/xrpc/${nsid}`, {
			...credentials,
			body,
			headers: type ? { "content-type": type } : {},
		});
	await send("without a body", undefined, null);
	await send("with a type and no body", undefined);
	await send("with an empty body", "");
	await send("without a type", "{}", null);
	await send("with text", "{}", "text/plain");
	await send("with a CAR", "{}", "application/vnd.ipld.car");
	await send("with half of an object", '{"repo":');
	await send("with an array", "[]");
	await send("with null", "null");
	await send("with a string", '"x"');
	await send("with no JSON", "pearl");
	await send("with spaces", "   ");
	await send("with an endless array", '{"a":'.repeat(20_000));
}

const CHUNKED = { "transfer-encoding": "chunked" };
const PATHS = [
	"/",
	"//",
	"/robots.txt",
	"/favicon.ico",
	"/nothing/here",
	"/.well-known/did.json",
	"/.well-known/atproto-did",
	"/.well-known/oauth-protected-resource",
	"/.well-known/oauth-authorization-server",
	"/oauth/authorize",
	"/operator",
	"/operator/",
	"/operator/nothing",
	"/operator/verify/x",
	"/operator/Verify",
	"/xrpc",
	"/xrpc/",
	"/xrpc//",
	"/xrpc/_health",
	"/xrpc/_health/",
	"/xrpc/_health?x=1",
	"/xrpc/x",
	"/xrpc/com.atproto",
	"/xrpc/com.atproto.server",
	"/xrpc/com.atproto.server.describeServer/",
	"/xrpc/com.atproto.server.describeServer/x",
	"/xrpc/com.atproto.server.describeServer?x=1",
	"/xrpc/com.atproto.server.describeserver",
	"/xrpc/COM.atproto.server.describeServer",
	"/xrpc/com.atproto.server.describe-server",
	"/xrpc/com..describeServer",
	"/xrpc/1.2.3",
	"/xrpc/com.atproto.sync.getRepo%20",
	"/xrpc/com%2Eatproto.server.describeServer",
	`/xrpc/com.example.${"x".repeat(400)}`,
	`/xrpc/com.atproto.sync.getRepo?did=${OTHER_DID}`,
];
