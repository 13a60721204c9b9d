// A relay that is asked to crawl receives every event, and the operator sees the status of relays,
// whatever they answer.

import assert from "node:assert/strict";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";

import { Caller } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { Relay } from "./relay.mjs";
import { unbroken } from "./stream.mjs";
import { send } from "./xrpc.mjs";

onEachHost("relays", (server) => {
	const owner = new Caller(server);
	/** @type {Relay[]} */ const relays = [];
	after(() => Promise.all(relays.map((relay) => relay.stop())));

	async function relay(answer) {
		const relay = await Relay.start(answer);
		relays.push(relay);
		return relay;
	}

	/** Restarts the server with these relays, as its operator would. */
	async function startWith(urls) {
		await server().stop();
		await appendFile(join(server().folder, "pds.env"), `RELAYS=${urls.join(",")}\n`);
		await server().start();
		await runDueWork();
	}

	/** Runs due work. The native host runs it at the start, and an object at its alarm. */
	async function runDueWork() {
		if (server().host === "workerd") await send(server(), "/__test/run-due-work");
	}

	async function look() {
		return (await owner.operate("GET", "relays")).expect();
	}

	test("a relay is asked to crawl at the start and receives every event", async () => {
		const bigger = await relay();
		await startWith([bigger.url]);
		await bigger.untilCrawlRequests(1, server());
		assert.deepEqual(bigger.crawlRequests, [new URL(server().url).host]);
		assert.match(bigger.seen[0].agent, /^nacre\//);
		const beginning = await bigger.subscriber.count(4);
		assert.deepEqual(
			beginning.map(({ header }) => header.t),
			["#identity", "#account", "#commit", "#sync"],
		);
		for (let number = 0; number < 5; number += 1) {
			(await owner.create("com.example.note", { number })).expect();
		}
		unbroken(await bigger.subscriber.count(9));

		const { seq, relays, subscribers } = await look();
		assert.equal(seq, bigger.seq);
		assert.equal(relays.length, 1);
		const [{ url, status, asked, checked, ...more }] = relays;
		assert.deepEqual({ url, status }, { url: bigger.url, status: "active" });
		assert.equal(more.seq, seq);
		assert.equal(more.askError ?? more.checkError, undefined);
		assert.ok(new Date(asked) <= new Date(checked) && new Date(more.nextAsk) > new Date());
		const [last] = subscribers;
		assert.deepEqual([last.open, last.seq, last.cursor], [1, seq, 0]);
	});

	test("a restart within twenty minutes does not ask again", async () => {
		const [bigger] = relays;
		await server().stop();
		await server().start();
		await runDueWork();
		await look();
		assert.equal(bigger.crawlRequests.length, 1);
	});

	test("malformed answers of relays are reported and do no harm", async () => {
		const wrong = {
			redirecting: (response) =>
				response.writeHead(302, { location: relays[0].url }).end("elsewhere"),
			large: (response) => response.writeHead(200).end("x".repeat(20_000)),
			endless: (response) => {
				const more = () => !response.destroyed && response.write("x".repeat(10_000), more);
				more();
			},
			breaking: (response) => response.destroy(),
			refusing: (response) =>
				response.writeHead(403).end(JSON.stringify({ error: "HostBanned", message: "no" })),
			chatty: (response) => response.end("I am no relay"),
		};
		const urls = [];
		for (const answer of Object.values(wrong)) urls.push((await relay(answer)).url);
		const good = await relay();
		await startWith([...urls, good.url]);
		await good.untilCrawlRequests(1, server());
		const found = await look();
		const said = Object.keys(wrong).map((name, index) => {
			const { askError, checkError } = found.relays[index];
			return [name, askError, checkError];
		});
		const [redirecting, large, endless, breaking, refusing, chatty] = said;
		assert.deepEqual(redirecting, ["redirecting", "302 Found", "302 Found"]);
		for (const [, ...errors] of [large, endless]) {
			assert.deepEqual(errors, ["the response is too large", "the response is too large"]);
		}
		for (const error of breaking.slice(1)) assert.match(error, /^no response: /);
		assert.deepEqual(refusing.slice(1), ["403 Forbidden: HostBanned", "403 Forbidden: HostBanned"]);
		// An answer of 200 to a crawl request counts as accepted.
		const problem = "not a response of com.atproto.sync.getHostStatus";
		assert.deepEqual(chatty.slice(1), [undefined, problem]);
		assert.deepEqual(relays[0].crawlRequests.length, 1, "the redirect is not followed");
		(await owner.create("com.example.note", { is: "last" })).expect();
		await good.subscriber.until((await look()).seq);
	});

	test("a relay that does not answer is dropped after ten seconds", async () => {
		const silent = await relay(() => {});
		await startWith([silent.url]);
		const [{ askError, checkError }] = (await look()).relays;
		assert.deepEqual([askError, checkError], ["the request timed out", "the request timed out"]);
	});
});
