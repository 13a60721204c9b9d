// Requests to other servers through the guard for strangers' URLs: which URLs are requested, and what
// hostile servers can do. The native host has the same tests in Rust, in its HTTP client.

import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFile, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";

import { onEachHost, within } from "./hosts.mjs";
import { send } from "./xrpc.mjs";

onEachHost(
	"outbound",
	(server) => {
		/** @type {Fake} */ let fake;
		before(async () => {
			fake = await Fake.start();
		});
		after(() => fake.stop());

		/** Makes the server send a request. Returns the response, or the error. */
		async function ask(wanted) {
			const body = JSON.stringify(wanted);
			const { status, json } = await send(server(), "/__test/fetch", { method: "POST", body });
			assert.equal(status, 200);
			assert.equal(json.malformed, undefined);
			return json;
		}

		/** Makes the server request a path of the fake as a stranger's URL. */
		const get = (path, wanted = {}) => ask({ url: fake.url + path, ...wanted });

		test("strangers' URLs that are not allowed are refused", async () => {
			for (const { url, refused } of await table()) {
				// The table has another host name.
				if (refused === "OwnHost") continue;
				assert.deepEqual(await ask({ url, check: true }), { refused: refused ?? null }, url);
				if (!refused) continue;
				assert.deepEqual(await ask({ url }), { error: `Refused(${refused})` }, url);
			}
			assert.deepEqual(await get("/here"), { error: "Refused(Scheme)" });
			assert.deepEqual(fake.seen, []);
			const operators = await get("/here", { operator: true });
			assert.deepEqual([operators.status, operators.text], [200, "here"]);
			assert.deepEqual(fake.take(), ["/here"]);
		});

		test("this server is not requested, whoever chose the URL", async () => {
			const url = server().url;
			for (const path of ["/xrpc/_health", "/__test/made"]) {
				const refused = await ask({ url: url + path, operator: true });
				assert.deepEqual(refused, { error: "Refused(OwnHost)" });
			}
			const document = await ask({ url: `${url}/.well-known/did.json`, operator: true });
			assert.equal(JSON.parse(document.text).id, server().did);
		});

		test("loopback is allowed on request, and nothing else", async () => {
			await server().stop();
			await appendFile(join(server().folder, "pds.env"), "ALLOW_LOOPBACK_URLS=true\n");
			await server().start();
			for (const { url, refused, loopback } of await table()) {
				if (refused === "OwnHost") continue;
				const expected = loopback ? null : (refused ?? null);
				assert.deepEqual(await ask({ url, check: true }), { refused: expected }, url);
				if (expected) assert.deepEqual(await ask({ url }), { error: `Refused(${expected})` }, url);
			}
			assert.equal((await get("/here")).text, "here");
			const port = new URL(fake.url).port;
			assert.equal((await ask({ url: `http://localhost:${port}/here` })).text, "here");
			assert.deepEqual(fake.take(), ["/here", "/here"]);
		});

		test("redirects are checked and counted", async () => {
			const redirects = 5;
			for (const [path, wanted, expected, requests] of [
				["/private", { redirects }, { error: "Redirect(IpAddress)" }, 1],
				["/plain", { redirects }, { error: "Redirect(Scheme)" }, 1],
				["/name", { redirects }, { error: "Redirect(ReservedDomain)" }, 1],
				["/file", { redirects }, { error: "Redirect(Scheme)" }, 1],
				["/private", {}, { status: 302 }, 1],
				["/private", { redirects, method: "POST" }, { status: 302 }, 1],
				["/3", { redirects }, { status: 200, text: "here" }, 4],
				["/3", { redirects: 2 }, { error: "TooManyRedirects" }, 3],
				["/loop", { redirects }, { error: "TooManyRedirects" }, 6],
			]) {
				const found = await get(path, wanted);
				for (const [name, value] of Object.entries(expected)) {
					assert.equal(found[name], value, `${path}: ${JSON.stringify(found)}`);
				}
				assert.equal(fake.take().length, requests, path);
			}
		});

		test("slow, large and unexpected responses are errors", async () => {
			const timedOut = { error: "TimedOut" };
			assert.deepEqual(await get("/slow-head", { head_ms: 200 }), timedOut);
			assert.deepEqual(await get("/slow-head", { total_ms: 200 }), timedOut);
			assert.deepEqual(await get("/slow-body", { total_ms: 200 }), timedOut);
			// Only the total time limits the body.
			assert.equal((await get("/late-body", { head_ms: 200 })).text, "late");
			assert.deepEqual(await get("/huge"), { error: "TooLarge" });
			assert.deepEqual(await get("/endless"), { error: "TooLarge" });
			assert.deepEqual(await get("/html", { json: true }), { error: 'WrongType("text/html")' });
			assert.equal((await get("/json", { json: true })).text, "{}");
			for (const path of ["/broken", "/cut"]) {
				assert.match((await get(path)).error, /^Failed\(/, path);
			}
			await fake.idle(server());
		});

		test("encoded bodies are decoded and limited by their decoded size", async () => {
			for (const coding of ["gzip", "GZIP", "deflate", "br", "identity"]) {
				const { size, text, headers } = await get(`/coded/${coding}/1000`);
				assert.deepEqual([size, text], [1_000, "x".repeat(1_000)], coding);
				assert.equal(headers.includes("content-encoding"), coding === "identity", coding);
				assert.deepEqual(await get(`/coded/${coding}/1001`), { error: "TooLarge" }, coding);
				assert.deepEqual(await get(`/coded/${coding}/50000000`), { error: "TooLarge" }, coding);
			}
			assert.deepEqual(await get("/coded/unknown/10"), { error: "Coding" });
			await fake.idle(server());
		});

		test("bodies stream in both directions", async () => {
			const pieces = ["one", "two", "three"];
			const echoed = await get("/echo", { method: "POST", pieces });
			assert.deepEqual([echoed.status, echoed.text], [200, pieces.join("")]);
			assert.equal(fake.lastHeaders["transfer-encoding"], "chunked");
			const whole = await get("/echo", { method: "PUT", body: "four" });
			assert.equal(whole.text, "four");
			assert.equal(fake.lastHeaders["content-length"], "4");
			assert.match(fake.lastHeaders["user-agent"], /^nacre\//);
			const large = await get("/size/3000000", { body_bytes: 3_000_000 });
			assert.equal(large.size, 3_000_000);
		});

		test("dropped requests and responses are cancelled", async () => {
			assert.deepEqual(await get("/slow-head", { abandon_ms: 100 }), { abandoned: true });
			await fake.idle(server());
			const { read } = await get("/endless", { drop_body: true, body_bytes: 1_000_000 });
			assert.ok(read > 0);
			await fake.idle(server());
		});
	},
	{ only: "workerd" },
);

/** A server with a hostile answer at each path. */
class Fake {
	/** The paths that were requested. @type {string[]} */ seen = [];
	/** The headers of the last request. */ lastHeaders = {};
	/** The base URL. @type {string} */ url;

	#server;
	#open = new Set();

	static async start() {
		const fake = new Fake();
		fake.#server = createServer((request, response) => fake.#answer(request, response));
		fake.#server.listen(0, "127.0.0.1");
		await once(fake.#server, "listening");
		fake.url = `http://127.0.0.1:${fake.#server.address().port}`;
		return fake;
	}

	/** Returns the paths since the last call. */
	take() {
		return this.seen.splice(0);
	}

	/** Waits until the client has ended all requests. */
	async idle(server) {
		const ended = async () => {
			while (this.#open.size) await sleep(20);
		};
		await within(5_000, "requests are still open", ended(), server);
	}

	async stop() {
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, "close");
	}

	#answer(request, response) {
		this.seen.push(request.url);
		this.lastHeaders = request.headers;
		this.#open.add(response);
		response.once("close", () => this.#open.delete(response));
		const found = (location) => response.writeHead(302, { location }).end();
		const typed = (type, text) => response.writeHead(200, { "content-type": type }).end(text);
		const [, path, first, second] = request.url.split("/");
		const answers = {
			private: () => found("https://10.0.0.1/"),
			plain: () => found("http://example.com/"),
			name: () => found("https://metadata.google.internal/"),
			file: () => found("file:///etc/passwd"),
			loop: () => found("/loop"),
			3: () => found("2"),
			2: () => found(`${this.url}/1`),
			1: () => found("/here"),
			here: () => response.end("here"),
			html: () => typed("text/html", "<p>"),
			json: () => typed("application/json; charset=utf-8", "{}"),
			huge: () => response.end("x".repeat(1_000_000)),
			size: () => response.end("x".repeat(Number(first))),
			endless: () => {
				const more = () => !response.destroyed && response.write("x".repeat(10_000), more);
				more();
			},
			"slow-head": () => {},
			"slow-body": () => response.writeHead(200, { "content-length": 10 }).write("four"),
			"late-body": async () => {
				response.writeHead(200, { "content-length": 4 }).write("la");
				await sleep(500);
				response.end("te");
			},
			broken: () => response.destroy(),
			cut: () => {
				response.writeHead(200, { "content-length": 10 });
				response.write("four", () => response.destroy());
			},
			coded: () => {
				const plain = Buffer.alloc(Number(second), "x");
				const encode = codings[first.toLowerCase()] ?? ((bytes) => bytes);
				response.writeHead(200, { "content-encoding": first }).end(encode(plain));
			},
			echo: () => request.pipe(response),
		};
		answers[path]();
	}
}

const codings = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };

/** Returns the table of URLs that the Rust tests use too. */
async function table() {
	return JSON.parse(await readFile(new URL("../pds/src/dev/urls.json", import.meta.url)));
}
