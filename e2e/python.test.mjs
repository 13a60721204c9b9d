// A consumer in Python, with the common library of bots: its frames, schemas, CAR reader, signature
// checks and reconnects.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Caller } from "./cases.mjs";
import { onEachHost, within } from "./hosts.mjs";
import { Subscriber, unbroken } from "./stream.mjs";

onEachHost("consumer in Python", (server) => {
	const owner = new Caller(server);
	/** @type {Consumer | undefined} */ let consumer;
	after(() => consumer?.stop());

	test("receives every event once, with valid signatures and records", async () => {
		consumer = new Consumer(server());
		for (let number = 0; number < 20; number += 1) {
			(await owner.create(NOTE, { number }, { rkey: `k${number}` })).expect();
		}
		(await owner.put(NOTE, "k1", { $type: NOTE, is: "changed" })).expect();
		(await owner.delete(NOTE, "k2")).expect();
		const writes = Array.from({ length: 50 }, (_, number) => ({
			$type: "com.atproto.repo.applyWrites#create",
			collection: NOTE,
			rkey: `many-${number}`,
			value: { $type: NOTE, number },
		}));
		(await owner.apply(writes)).expect();
		await consumer.untilPath(`${NOTE}/many-49`);

		await server().kill();
		await server().start();
		(await owner.create(NOTE, { is: "last" }, { rkey: "last" })).expect();
		await consumer.untilPath(`${NOTE}/last`);

		assert.deepEqual(consumer.errors, []);
		const told = consumer.events;
		const kinds = told.slice(0, 4).map(({ type }) => type);
		assert.deepEqual(kinds, ["identity", "account", "commit", "sync"]);
		for (const { signed, root, records } of told.filter(({ type }) => type === "commit")) {
			assert.ok(signed && root);
			assert.ok(records.every((type) => type === NOTE));
		}
		const actions = told.flatMap(({ ops }) => (ops ?? []).map(([action]) => action));
		const count = (wanted) => actions.filter((action) => action === wanted).length;
		assert.deepEqual(["create", "update", "delete"].map(count), [71, 1, 1]);
		const all = await Subscriber.open(server(), 0);
		await all.until(told.at(-1).seq);
		assert.deepEqual(
			told.map(({ seq }) => seq),
			unbroken(all.events),
		);
		await all.close();
	});
});

/** The program `consumer.py`, which follows a server from its first event. */
class Consumer {
	events = [];
	errors = [];
	#child;
	#server;
	#said = "";
	#look = () => {};

	constructor(server) {
		this.#server = server;
		const uri = `${server.url.replace("http:", "ws:")}/xrpc`;
		const PYTHONPATH = process.env.NACRE_PYTHONPATH ?? process.env.PYTHONPATH ?? "";
		const env = { ...process.env, PYTHONPATH, PYTHONDONTWRITEBYTECODE: "1" };
		this.#child = spawn("python3", [PROGRAM, uri, "0", server.publicKey], { env });
		this.#child.stderr.setEncoding("utf8").on("data", (text) => (this.#said += text));
		createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(line));
	}

	/** Waits for the event of a record. */
	async untilPath(path) {
		const seen = new Promise((resolve, reject) => {
			const isThere = () => this.events.some(({ ops }) => ops?.some((op) => op[1] === path));
			this.#look = () => isThere() && resolve();
			this.#look();
			this.#child.once("close", (code) =>
				reject(new Error(`the consumer ended with ${code}:\n${this.#said}`)),
			);
		});
		await within(30_000, `no event of ${path}`, seen, this.#server);
	}

	stop() {
		this.#child.removeAllListeners("close");
		this.#child.kill("SIGKILL");
	}

	#hear(line) {
		const said = JSON.parse(line);
		if (said.error) this.errors.push(said.error);
		else this.events.push(said);
		this.#look();
	}
}

const NOTE = "com.example.note";
const PROGRAM = fileURLToPath(new URL("consumer.py", import.meta.url));
