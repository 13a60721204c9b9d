// Relays, as far as a server sees of them: they are asked to crawl, connect, and say how they stand.

import { once } from "node:events";
import { createServer } from "node:http";

import { within } from "./hosts.mjs";
import { Subscriber } from "./stream.mjs";

/** A relay that follows every host which asks it to. */
export class Relay {
	/** Where it listens. @type {string} */ url;
	/** The hosts that have asked it to crawl, once for each time. @type {string[]} */ asked = [];
	/** The requests that it has had. @type {{ method: string, url: string, agent?: string }[]} */ seen =
		[];
	/** Its connection to the last of them. @type {Subscriber | undefined} */ subscriber;

	#server;
	#answer;
	#look = () => {};

	/**
	 * Starts one. Instead of what a relay does, it may do what `answer` does.
	 *
	 * @param {(response: import('node:http').ServerResponse) => void} [answer]
	 */
	static async start(answer) {
		const relay = new Relay();
		relay.#answer = answer;
		relay.#server = createServer((request, response) => relay.#serve(request, response));
		relay.#server.listen(0, "127.0.0.1");
		await once(relay.#server, "listening");
		relay.url = `http://127.0.0.1:${relay.#server.address().port}`;
		return relay;
	}

	/**
	 * Waits until it has been asked so often, and has connected.
	 *
	 * @param {number} count
	 * @param {import('./hosts.mjs').Server} server
	 */
	async untilAsked(count, server) {
		const asked = new Promise((resolve) => {
			this.#look = () => this.asked.length >= count && this.subscriber && resolve();
			this.#look();
		});
		await within(20_000, "the relay was not asked to crawl", asked, server);
	}

	/** The number of the last event that it has. */
	get seq() {
		return this.subscriber?.events.at(-1)?.body.seq ?? 0;
	}

	async stop() {
		this.subscriber?.close().catch(() => {});
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, "close");
	}

	async #serve(request, response) {
		const { method, url, headers } = request;
		this.seen.push({ method, url, agent: headers["user-agent"] });
		if (this.#answer) return this.#answer(response);
		const { pathname, searchParams } = new URL(url, this.url);
		if (method === "POST" && pathname === "/xrpc/com.atproto.sync.requestCrawl") {
			const { hostname } = await body(request);
			this.asked.push(hostname);
			response.end();
			await this.#follow(hostname);
		} else if (method === "GET" && pathname === "/xrpc/com.atproto.sync.getHostStatus") {
			const hostname = searchParams.get("hostname");
			if (!this.asked.includes(hostname)) return json(response, 400, { error: "HostNotFound" });
			json(response, 200, { hostname, seq: this.seq, status: "active", accountCount: 1 });
		} else {
			json(response, 404, { error: "MethodNotImplemented" });
		}
	}

	async #follow(hostname) {
		const before = this.subscriber;
		const server = { url: `http://${hostname}`, log: () => "" };
		this.subscriber = await Subscriber.open(server, this.seq);
		before?.close().catch(() => {});
		this.#look();
	}
}

async function body(request) {
	const pieces = await request.toArray();
	return JSON.parse(Buffer.concat(pieces).toString());
}

function json(response, status, value) {
	response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}
