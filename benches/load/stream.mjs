// What subscribers wait for, as one client with all of their sockets sees it.

import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A subscriber that counts frames where they lie: a library's reader takes ten times as long for a
 * frame as a server that writes each by itself, so that it would be what is measured.
 */
class Counter {
	count = 0;
	/** The size of the payloads so far. */
	bytes = 0;
	#socket;
	#waiting;
	/** How much of the present frame is still to come, and its header as far as it is here. */
	#left = 0;
	#header = Buffer.alloc(0);

	static async open({ url }, cursor) {
		const address = new URL("/xrpc/com.atproto.sync.subscribeRepos", url);
		if (cursor !== undefined) address.searchParams.set("cursor", cursor);
		const headers = {
			connection: "upgrade",
			upgrade: "websocket",
			"sec-websocket-version": "13",
			"sec-websocket-key": Buffer.alloc(16).toString("base64"),
		};
		const counter = new Counter();
		await new Promise((resolve, reject) => {
			const asked = request(address, { headers });
			asked.once("error", reject);
			asked.once("response", ({ statusCode }) => reject(new Error(`refused: ${statusCode}`)));
			asked.once("upgrade", (_, socket, first) => resolve(counter.#read(socket, first)));
			asked.end();
		});
		return counter;
	}

	#read(socket, first) {
		this.#socket = socket.setNoDelay();
		const failed = () => this.#waiting?.reject(new Error("the stream was closed"));
		socket
			.on("data", (bytes) => this.#take(bytes))
			.on("error", failed)
			.once("close", failed);
		this.#take(first);
	}

	/** Counts the frames that end in `bytes`. A server does not mask, and sends no fragments. */
	#take(bytes) {
		let at = 0;
		while (at < bytes.length) {
			if (this.#left > 0) {
				const taken = Math.min(this.#left, bytes.length - at);
				this.#left -= taken;
				at += taken;
				if (this.#left === 0) this.#counted();
				continue;
			}
			this.#header = Buffer.concat([this.#header, bytes.subarray(at, at + 1)]);
			at += 1;
			const [kind, short] = this.#header;
			const size = short === 127 ? 10 : short === 126 ? 4 : 2;
			if (this.#header.length < size) continue;
			// A ping is counted by nobody, and neither is what closes the stream.
			if (kind !== 0x82) {
				if ((kind & 0x0f) === 8) this.#waiting?.reject(new Error("the stream was closed"));
				this.count -= 1;
			}
			const long = this.#header;
			this.#left = size === 2 ? short : size === 4 ? long.readUInt16BE(2) : long.readUInt32BE(6);
			this.bytes += this.#left;
			this.#header = Buffer.alloc(0);
			if (this.#left === 0) this.#counted();
		}
	}

	#counted() {
		this.count += 1;
		if (this.#waiting && this.count >= this.#waiting.count) {
			this.#waiting.resolve(performance.now());
			this.#waiting = undefined;
		}
	}

	/** Returns the time at which there are so many. */
	async until(count) {
		if (this.count >= count) return performance.now();
		return new Promise((resolve, reject) => (this.#waiting = { count, resolve, reject }));
	}

	close() {
		this.#socket.destroy();
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

/** Measures how many events a second a replay of so many has after this number, and their mean size. */
export async function replay(server, cursor, count) {
	const start = performance.now();
	const counter = await Counter.open(server, cursor);
	const end = await counter.until(count);
	counter.close();
	return { perSecond: (count * 1000) / (end - start), bytes: counter.bytes / counter.count };
}

/** Returns the size of the event of a write. */
export async function frameBytes(server, write) {
	const counter = await Counter.open(server);
	const before = counter.count;
	await write();
	await counter.until(before + 1);
	counter.close();
	return counter.bytes;
}

export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
