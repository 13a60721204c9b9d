// The entry module of the Worker, between the runtime and the compiled server.
//
// A panic in Rust, a stack overflow or exhausted memory leaves the wasm instance unusable, and Rust
// cannot tell the runtime. This module recovers:
//
//  * It aborts every object in the instance. Their requests in flight fail at once instead of
//    hanging, and the writes of the current turn are rolled back.
//  * It starts a fresh instance for the next event.
//  * When an object is constructed again after hibernation or eviction, it frees the Rust half of
//    the predecessor.

import { DurableObject } from "cloudflare:workers";
import * as blobs from "./blobs.js";
import { log } from "./log.js";
import * as nacre from "./index.js";

// The `worker` crate's state: its panic hook logs the message and sets `criticalError`, and each
// new instance increments `instanceId`.
const state = nacre.__worker_init_state();

// The objects of this isolate by id: the context, the Rust half, the instance that the half lives
// in, and its number of pending calls.
const objects = new Map();

// The instance in use. If it differs from the state's, an instance was lost unnoticed.
let instance = state.instanceId;
let lost = false;

// The number of consecutive failed alarms. The runtime's own count starts over when a request sets
// another alarm.
let failedAlarms = 0;

// An uncaught error comes from the executor, which runs no more futures after it.
addEventListener("error", (event) => markLost(event.error));

export default {
	async fetch(request, env, context) {
		try {
			const answer = enter(() => nacre.front(request, env));
			if (answer === null) {
				const uploaded = upload(request, env);
				// Finishes, or cleans up, even if the client disconnects.
				context.waitUntil(uploaded.catch(() => {}));
				return await uploaded;
			}
			const response = await answer;
			const isBlob = response.headers.has(blobs.DOWNLOAD_HEADER);
			return isBlob ? await blobs.download(response, env.BLOBS) : response;
		} catch (error) {
			return errorResponse(error);
		}
	},
};

export class AccountDurableObject extends DurableObject {
	#rustHalf;

	constructor(context, env) {
		super(context, env);
		const id = context.id.toString();
		const rust = enter(() => new nacre.AccountDurableObject(context, env));
		this.#rustHalf = { context, rust, instance, calls: 0 };
		const predecessor = objects.get(id);
		objects.set(id, this.#rustHalf);
		// A half with pending calls is left to the garbage collector.
		if (predecessor?.instance === instance && predecessor.calls === 0) {
			enter(() => predecessor.rust.free());
		}
	}

	fetch(request) {
		return callRust(this.#rustHalf, (rust) => rust.fetch(request));
	}

	// Runs due work. The runtime retries a failed alarm, but only six times. A late retry therefore
	// sets another alarm first, which replaces the remaining retries. Each attempt is told how many
	// failed before it.
	async alarm(info) {
		const retries = info?.retryCount ?? 0;
		if (retries > 0) {
			log("alarm.failed", `scheduled work failed, retry ${retries}`);
		}
		if (retries >= LATE_RETRY) {
			await this.ctx.storage.setAlarm(Date.now() + RETRY_ALARM_MS);
			await this.ctx.storage.sync();
		}
		const failed = Math.max(retries, failedAlarms);
		failedAlarms = failed + 1;
		await callRust(this.#rustHalf, (rust) => rust.alarm(failed));
		failedAlarms = 0;
	}

	webSocketMessage(socket, message) {
		// Messages are ignored, and not copied into wasm, whose memory never shrinks.
		const size = typeof message === "string" ? message.length : message.byteLength;
		if (size > MAX_MESSAGE_SIZE) {
			socket.close(1009, "message too big");
		}
	}

	// Completes the closing handshake if the runtime has not done so.
	webSocketClose(socket) {
		try {
			socket.close(1000);
		} catch {
			// The socket is closed already.
		}
	}

	// Does nothing: no state is kept for a socket that failed.
	webSocketError() {}
}

// Receives a blob. The account gets the request's headers with a message, but no body.
function upload(request, env) {
	const account = enter(() => nacre.account(env));
	const send = (message) => {
		const headers = new Headers(request.headers);
		headers.delete("content-length");
		headers.set(blobs.UPLOAD_HEADER, message);
		return account.fetch(request.url, { method: "POST", headers });
	};
	return blobs.upload(request, env.BLOBS, send, {
		decoder,
		rawCid: (sha256) => enter(() => nacre.rawCid(sha256)),
		sniff: (head, declared) => enter(() => nacre.sniff(head, declared)),
	});
}

// Returns a decoder of encoded bodies. Its calls fail once its wasm instance is lost.
function decoder(coding) {
	const rust = enter(() => new nacre.BodyDecoder(coding));
	const home = instance;
	const call = (work) => {
		const done = enter(() => (instance === home ? { result: work() } : null));
		if (!done) throw new Error("the decoder's wasm instance is lost");
		return done.result;
	};
	return {
		push: (bytes) => call(() => rust.push(bytes)),
		finish: () => call(() => rust.finish()),
		pull: () => call(() => rust.pull()),
		// A lost instance has no memory to free.
		free: () => enter(() => instance === home && rust.free()),
	};
}

// Calls into Rust. A synchronous exception has unwound Rust frames, so the instance is lost.
function enter(call) {
	if (state.criticalError || state.instanceId !== instance) {
		markLost(new Error("an earlier event broke the wasm instance"));
	}
	if (lost) {
		if (state.instanceId === instance) {
			nacre.__wbg_reset_state();
		}
		instance = state.instanceId;
		state.criticalError = false;
		lost = false;
	}
	try {
		return call();
	} catch (error) {
		markLost(error);
		throw error;
	}
}

// Calls into Rust and awaits the result. A rejection means a lost instance only if it is a trap.
async function callRust(half, call) {
	half.calls++;
	try {
		return await enter(() => call(half.rust));
	} catch (error) {
		if (error instanceof WebAssembly.RuntimeError) {
			markLost(error);
		}
		throw error;
	} finally {
		half.calls--;
	}
}

function markLost(error) {
	if (lost) {
		return;
	}
	lost = true;
	log("instance.lost", `the wasm instance is lost: ${error?.stack ?? error}`);
	for (const { context } of objects.values()) {
		try {
			context.abort("the wasm instance is lost");
		} catch {
			// The runtime throws to end the turn that called `abort`.
		}
	}
	objects.clear();
}

// Returns the response for a failed object: aborted, reset by a deployment, or overloaded.
function errorResponse(error) {
	const request = crypto.randomUUID();
	log("object.failed", `the account's object failed: ${error?.stack ?? error}`, request);
	const [status, name, message] =
		error?.retryable || error?.overloaded
			? [503, "ServiceUnavailable", "the account is temporarily unavailable; try again"]
			: [500, "InternalServerError", "Internal Server Error"];
	const headers = {
		"access-control-allow-origin": "*",
		"access-control-expose-headers": "X-Request-Id",
		"x-request-id": request,
	};
	return Response.json({ error: name, message }, { status, headers });
}

const MAX_MESSAGE_SIZE = 65_536;
// The retry that sets another alarm: the runtime's last but one.
const LATE_RETRY = 5;
const RETRY_ALARM_MS = 600_000;
