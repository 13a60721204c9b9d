// A raw client of the event stream.

import assert from "node:assert/strict";

import { decodeAll } from "@atproto/lex-cbor";
import WebSocket from "ws";

import { within } from "./hosts.mjs";
import { writer } from "./xrpc.mjs";

/** A connection to `subscribeRepos` that keeps every frame. */
export class Subscriber {
	/** The frames so far. @type {Buffer[]} */ frames = [];
	/** The decoded frames. @type {ReturnType<typeof decodeFrame>[]} */ events = [];
	/** Resolves to the close code when the connection has closed. @type {Promise<number>} */ closed;

	#server;
	#socket;
	#waiting = new Set();

	/**
	 * Connects, and resolves when the server has accepted.
	 *
	 * @param {import('./hosts.mjs').Server} server
	 * @param {number} [cursor]
	 */
	static async open(server, cursor) {
		const query = cursor === undefined ? "" : `?cursor=${cursor}`;
		const url = new URL(`/xrpc/com.atproto.sync.subscribeRepos${query}`, server.url);
		url.protocol = "ws:";
		const subscriber = new Subscriber(server, new WebSocket(url));
		await within(WAIT_MS, "the socket did not open", subscriber.#opened(), server);
		return subscriber;
	}

	constructor(server, socket) {
		this.#server = server;
		this.#socket = socket;
		this.closed = new Promise((resolve) => socket.once("close", resolve));
		socket.on("message", (frame, isBinary) => {
			if (!isBinary) throw new Error("a frame is text");
			this.frames.push(frame);
			this.events.push(decodeFrame(frame));
			for (const look of this.#waiting) look();
		});
	}

	/**
	 * Waits for an event with this seq or a later one, and returns all events.
	 *
	 * @param {number} seq
	 */
	async until(seq) {
		await this.#see(() => this.events.at(-1)?.body.seq >= seq);
		return this.events;
	}

	/**
	 * Waits for this many events, and returns all events.
	 *
	 * @param {number} count
	 */
	async count(count) {
		await this.#see(() => this.events.length >= count);
		return this.events;
	}

	/** Stops reading. */
	pause() {
		this.#socket.pause();
	}

	/** Resumes reading. */
	resume() {
		this.#socket.resume();
	}

	/** Waits for the server to close the connection, and returns the code. */
	async end() {
		return within(WAIT_MS, "the server did not close the socket", this.closed, this.#server);
	}

	/** Closes the connection from this side. */
	async close() {
		this.#socket.close();
		await this.end();
	}

	async #opened() {
		await new Promise((resolve, reject) => {
			this.#socket.once("open", resolve);
			this.#socket.once("error", reject);
		});
	}

	async #see(isThere) {
		if (isThere()) return;
		let look;
		const seen = new Promise((resolve, reject) => {
			look = () => isThere() && resolve();
			this.closed.then((code) => reject(new Error(`the stream was closed with ${code}`)));
		});
		this.#waiting.add(look);
		try {
			await within(WAIT_MS, "the event did not come", seen, this.#server);
		} finally {
			this.#waiting.delete(look);
		}
	}
}

/**
 * Makes a last event and returns its seq.
 *
 * @param {import('./hosts.mjs').Server} server
 * @param {{ accessJwt: string }} session
 */
export async function lastSeq(server, session) {
	const subscriber = await Subscriber.open(server);
	await writer(server, session).create("com.example.last", {});
	const [{ body }] = await subscriber.until(1);
	await subscriber.close();
	return body.seq;
}

/**
 * Asserts that events are in order and that no commit is missing: each commit names its predecessor,
 * which is the last commit or that of a later #sync. Returns the seqs of the events.
 *
 * @param {ReturnType<typeof decodeFrame>[]} events
 */
export function unbroken(events) {
	const numbers = events.map(({ body }) => body.seq);
	numbers.forEach((seq, index) => assert.ok(index === 0 || seq > numbers[index - 1]));
	let rev;
	for (const { header, body } of events) {
		if (header.t === "#sync") rev = body.rev;
		if (header.t !== "#commit") continue;
		if (rev !== undefined) assert.equal(body.since, rev);
		rev = body.rev;
	}
	return numbers;
}

/**
 * Returns the two objects of a frame.
 *
 * @param {Uint8Array} frame
 * @returns {{ header: { op: number, t?: string }, body: any }}
 */
export function decodeFrame(frame) {
	const [header, body, ...more] = decodeAll(frame);
	if (body === undefined || more.length > 0) throw new Error("a frame is not two objects");
	return { header, body };
}

const WAIT_MS = 20_000;
