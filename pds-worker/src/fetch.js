// Sends requests to other servers for `fetch.rs`.

import { pairs } from "./http.js";

// A request to another server and its response. `end` must be called, or its timer may keep the
// object awake.
export class Exchange {
	#control = new AbortController();
	#timers = [];

	// The lines of `head` are the method, the URL, and the name and value of each header. `body` is
	// bytes, a stream or null.
	constructor(head, body, headMs, totalMs) {
		const late = () => this.#control.abort(new DOMException("time limit passed", "TimeoutError"));
		this.#timers = [setTimeout(late, headMs), setTimeout(late, totalMs)];
		// The bytes are a view of wasm memory, which changes after this call.
		const content = body instanceof Uint8Array ? body.slice() : body;
		this.response = this.#send(head.split("\n"), content);
	}

	async #send([method, url, ...lines], body) {
		const { signal } = this.#control;
		const headers = pairs(lines);
		const init = { method, headers, body, redirect: "manual", cache: "no-store", signal };
		const response = await fetch(url, init);
		clearTimeout(this.#timers[0]);
		return response;
	}

	// Cancels the exchange if it is not over.
	end() {
		this.#timers.forEach(clearTimeout);
		this.#control.abort();
	}
}
