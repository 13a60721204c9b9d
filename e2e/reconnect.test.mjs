// A third-party consumer that validates each event against its schema and reconnects with its cursor,
// while the server is killed repeatedly.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ComAtprotoSyncSubscribeRepos } from "@atcute/atproto";
import { FirehoseSubscription } from "@atcute/firehose";

import { Caller } from "./cases.mjs";
import { onEachHost, within } from "./hosts.mjs";
import { Subscriber, unbroken } from "./stream.mjs";

onEachHost("reconnecting consumer", (server) => {
	test("misses no event and receives none twice", async () => {
		const owner = new Caller(server);
		const consumer = new Consumer(server());
		const written = [];
		for (let round = 0; round < ROUNDS; round += 1) {
			for (let number = 0; number < WRITES; number += 1) {
				const rkey = `r${round}-${number}`;
				(await owner.create(NOTE, { round, number }, { rkey })).expect();
				written.push(`${NOTE}/${rkey}`);
			}
			if (round % 2) await consumer.until(written.at(-1));
			await server().kill();
			await server().start();
		}
		(await owner.create(NOTE, { is: "last" }, { rkey: "last" })).expect();
		written.push(`${NOTE}/last`);
		await consumer.until(written.at(-1));
		consumer.stop();

		assert.deepEqual(consumer.errors, []);
		assert.deepEqual(
			consumer.events.flatMap(({ ops }) => (ops ?? []).map(({ path }) => path)),
			written,
		);
		const all = await Subscriber.open(server(), 0);
		await all.until(consumer.cursor);
		assert.deepEqual(
			consumer.events.map(({ seq }) => seq),
			unbroken(all.events),
		);
		await all.close();
	});
});

/** Follows a server from its first event, and reconnects as often as necessary. */
class Consumer {
	cursor = 0;
	events = [];
	errors = [];
	#isOver = false;
	#look = () => {};
	#server;

	constructor(server) {
		this.#server = server;
		this.subscription = new FirehoseSubscription({
			service: server.url.replace("http:", "ws:"),
			nsid: ComAtprotoSyncSubscribeRepos.mainSchema,
			params: () => ({ cursor: this.cursor }),
			onError: (error, message) => this.errors.push(`${error}: ${message}`),
			ws: { minReconnectionDelay: 50, maxReconnectionDelay: 200 },
		});
		this.#run();
	}

	async #run() {
		for await (const event of this.subscription) {
			if (this.#isOver) return;
			this.events.push(event);
			this.cursor = event.seq;
			this.#look();
		}
	}

	/** Waits for the event of a record. */
	async until(path) {
		const seen = new Promise((resolve) => {
			this.#look = () =>
				this.events.some(({ ops }) => ops?.some((op) => op.path === path)) && resolve();
			this.#look();
		});
		await within(20_000, `no event of ${path}`, seen, this.#server);
	}

	stop() {
		this.#isOver = true;
	}
}

const NOTE = "com.example.note";
const ROUNDS = 6;
const WRITES = 15;
