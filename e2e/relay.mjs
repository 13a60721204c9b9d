// Relays as a server sees them: they accept crawl requests, connect and report the host's status.

import { once } from "node:events";
import { createServer } from "node:http";

import { within } from "./hosts.mjs";
import { Subscriber } from "./stream.mjs";

/** A relay that follows every host that requests a crawl. */
export class Relay {
	/** The base URL. @type {string} */ url;
	/** The host of each crawl request. @type {string[]} */ crawlRequests = [];
	/** All requests to it. @type {{ method: string, url: string, agent?: string }[]} */ seen = [];
	/** Its connection to the last host. @type {Subscriber | undefined} */ subscriber;

	#server;
	#answer;
	#notify = () => {};

	/**
	 * Starts a relay. `answer` replaces its normal answers.
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
	 * Waits until it has received this many crawl requests and has connected.
	 *
	 * @param {number} count
	 * @param {import('./hosts.mjs').Server} server
	 */
	async untilCrawlRequests(count, server) {
		const asked = new Promise((resolve) => {
			this.#notify = () => this.crawlRequests.length >= count && this.subscriber && resolve();
			this.#notify();
		});
		await within(20_000, "the relay was not asked to crawl", asked, server);
	}

	/** The seq of its last event. */
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
			this.crawlRequests.push(hostname);
			response.end();
			await this.#follow(hostname);
		} else if (method === "GET" && pathname === "/xrpc/com.atproto.sync.getHostStatus") {
			const hostname = searchParams.get("hostname");
			if (!this.crawlRequests.includes(hostname))
				return json(response, 400, { error: "HostNotFound" });
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
		this.#notify();
	}
}

async function body(request) {
	const pieces = await request.toArray();
	return JSON.parse(Buffer.concat(pieces).toString());
}

function json(response, status, value) {
	response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}
