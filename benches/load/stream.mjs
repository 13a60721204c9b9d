// What subscribers wait for, as one client with all of their sockets sees it.

import { setTimeout as sleep } from "node:timers/promises";

import WebSocket from "../../e2e/node_modules/ws/wrapper.mjs";

/** A subscriber that counts events and does not look at them. */
class Counter {
	count = 0;
	#socket;
	#waiting;

	static async open({ url }, cursor) {
		const address = new URL("/xrpc/com.atproto.sync.subscribeRepos", url);
		address.protocol = "ws:";
		if (cursor !== undefined) address.searchParams.set("cursor", cursor);
		const counter = new Counter();
		counter.#socket = new WebSocket(address);
		counter.#socket.on("message", () => {
			counter.count += 1;
			if (counter.#waiting && counter.count >= counter.#waiting.count) {
				counter.#waiting.resolve(performance.now());
				counter.#waiting = undefined;
			}
		});
		await new Promise((resolve, reject) => {
			counter.#socket.once("open", resolve).once("error", reject);
		});
		// Who waits for ever would have the program end without a word.
		counter.#socket.once("close", (code) => {
			counter.#waiting?.reject(new Error(`the stream was closed with ${code}`));
		});
		return counter;
	}

	/** Returns the time at which there are so many. */
	async until(count) {
		if (this.count >= count) return performance.now();
		return new Promise((resolve, reject) => (this.#waiting = { count, resolve, reject }));
	}

	close() {
		this.#socket.terminate();
	}
}

/** Measures how long after a write its reply and its event come, with so many subscribers. */
export async function latency(server, subscribers, create) {
	const crowd = await Promise.all(Array.from({ length: subscribers }, () => Counter.open(server)));
	await sleep(500);
	const events = [];
	const replies = [];
	for (let count = 1; count <= 100; count += 1) {
		const start = performance.now();
		const told = Promise.all(crowd.map((counter) => counter.until(count)));
		await create();
		replies.push(performance.now() - start);
		events.push(Math.max(...(await told)) - start);
	}
	crowd.forEach((counter) => counter.close());
	return { event: median(events), reply: median(replies) };
}

/** Measures how many events a second a replay of so many has, from the beginning of the log. */
export async function replay(server, count) {
	const start = performance.now();
	const counter = await Counter.open(server, 0);
	const end = await counter.until(count);
	counter.close();
	return (count * 1000) / (end - start);
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
