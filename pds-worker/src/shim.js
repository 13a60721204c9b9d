// The module that Cloudflare loads: it stands between the runtime and the compiled server.
//
// A panic in Rust, a stack that overflows, memory that runs out: each leaves the wasm instance in a
// state that nothing may run in again, and nothing in Rust can tell the runtime. So this module
// does, at once:
//
//  * every object that lives in the instance is reset, which fails its requests in flight (they
//    would otherwise wait for an answer for ever) and undoes what its turn has written so far;
//  * the next event finds a fresh instance;
//  * the Rust half of an object that slept or was evicted is freed when its successor is made.

import { DurableObject } from "cloudflare:workers";
import * as blobs from "./blobs.js";
import * as nacre from "./index.js";

// Kept by the `worker` crate: its panic hook, which logs the message, sets `criticalError`, and
// every start of an instance increments `instanceId`.
const state = nacre.__worker_init_state();

// The objects of this isolate by their id: the context, the Rust half, the instance that this lives
// in, and how many calls of it have not ended.
const objects = new Map();

// The instance that is in use; another number than the state's is one that was lost unseen.
let instance = state.instanceId;
let lost = false;

// How many alarms in a row have not ended well. The runtime's own count starts over when a request
// sets another alarm.
let failedAlarms = 0;

// An error that nobody caught comes from the queue of futures, which will then run no more of them.
addEventListener("error", (event) => lose(event.error));

export default {
	async fetch(request, env, context) {
		try {
			const answer = enter(() => nacre.front(request, env));
			if (answer === null) {
				const uploaded = upload(request, env);
				// It is brought to an end even if the client is gone.
				context.waitUntil(uploaded.catch(() => {}));
				return await uploaded;
			}
			const response = await answer;
			const isBlob = response.headers.has(blobs.DOWNLOAD);
			return isBlob ? await blobs.download(response, env.BLOBS) : response;
		} catch (error) {
			return failure(error);
		}
	},
};

export class AccountDurableObject extends DurableObject {
	#half;

	constructor(context, env) {
		super(context, env);
		const id = context.id.toString();
		const rust = enter(() => new nacre.AccountDurableObject(context, env));
		this.#half = { context, rust, instance, calls: 0 };
		const before = objects.get(id);
		objects.set(id, this.#half);
		// One with a call that has not ended is in use, and left to the garbage collector.
		if (before?.instance === instance && before.calls === 0) {
			enter(() => before.rust.free());
		}
	}

	fetch(request) {
		return settled(this.#half, (rust) => rust.fetch(request));
	}

	// The runtime retries an alarm that fails, as with a panic, but only six times. So a late retry
	// first sets the next alarm, which takes the place of further retries. Each attempt is told how
	// many have failed before it.
	async alarm(info) {
		const retries = info?.retryCount ?? 0;
		if (retries > 0) {
			console.error(`scheduled work failed, retry ${retries}`);
		}
		if (retries >= LAST_RETRY) {
			await this.ctx.storage.setAlarm(Date.now() + NEXT_ALARM_MS);
			await this.ctx.storage.sync();
		}
		const failed = Math.max(retries, failedAlarms);
		failedAlarms = failed + 1;
		await settled(this.#half, (rust) => {
			nacre.setAlarmRetries(failed);
			return rust.alarm();
		});
		failedAlarms = 0;
	}

	webSocketMessage(socket, message) {
		// Subscribers have nothing to say, and the memory of wasm never shrinks: not copied there.
		const size = typeof message === "string" ? message.length : message.byteLength;
		if (size > MAX_MESSAGE_SIZE) {
			socket.close(1009, "message too big");
		}
	}

	webSocketClose(socket, code, reason, wasClean) {
		return settled(this.#half, (rust) => rust.webSocketClose(socket, code, reason, wasClean));
	}

	webSocketError(socket, error) {
		return settled(this.#half, (rust) => rust.webSocketError(socket, error));
	}
}

// Receives a blob, of which the account is asked with the head of the request only.
function upload(request, env) {
	const account = enter(() => nacre.account(env));
	const ask = (word) => {
		const headers = new Headers(request.headers);
		headers.delete("content-length");
		headers.set(blobs.UPLOAD, word);
		return account.fetch(request.url, { method: "POST", headers });
	};
	return blobs.upload(request, env.BLOBS, ask, {
		decoder,
		rawCid: (sha256) => enter(() => nacre.rawCid(sha256)),
		sniff: (head, declared) => enter(() => nacre.sniff(head, declared)),
	});
}

// Returns a decoder of encoded bodies. It lives in one instance, and fails once that is lost.
function decoder(coding) {
	const rust = enter(() => new nacre.BodyDecoder(coding));
	const home = instance;
	const call = (work) => {
		const done = enter(() => (instance === home ? { result: work() } : null));
		if (!done) throw new Error("the wasm instance of the decoder is lost");
		return done.result;
	};
	return {
		push: (bytes) => call(() => rust.push(bytes)),
		finish: () => call(() => rust.finish()),
		pull: () => call(() => rust.pull()),
		// The memory of a lost instance is gone already.
		free: () => enter(() => instance === home && rust.free()),
	};
}

// Calls into Rust. What is thrown here, and not rejected later, went through a frame of Rust.
function enter(call) {
	if (state.criticalError || state.instanceId !== instance) {
		lose(new Error("an earlier event broke the instance"));
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
		lose(error);
		throw error;
	}
}

// Calls into Rust and waits for it. Of rejections, only a trap is the end of the instance.
async function settled(half, call) {
	half.calls++;
	try {
		return await enter(() => call(half.rust));
	} catch (error) {
		if (error instanceof WebAssembly.RuntimeError) {
			lose(error);
		}
		throw error;
	} finally {
		half.calls--;
	}
}

function lose(error) {
	if (lost) {
		return;
	}
	lost = true;
	console.error("the wasm instance is lost:", error?.stack ?? error);
	for (const { context } of objects.values()) {
		try {
			context.abort("the wasm instance is lost");
		} catch {
			// This is how the runtime ends the turn that it was called from.
		}
	}
	objects.clear();
}

// The answer for an object that gave none: reset by us, by a deployment, or overloaded.
function failure(error) {
	console.error("the account's object did not answer:", error?.stack ?? error);
	const [status, name, message] =
		error?.retryable || error?.overloaded
			? [503, "ServiceUnavailable", "the account is not available just now"]
			: [500, "InternalServerError", "Internal Server Error"];
	const headers = { "access-control-allow-origin": "*" };
	return Response.json({ error: name, message }, { status, headers });
}

const MAX_MESSAGE_SIZE = 65_536;
// With the first attempt, that is one for each part of the scheduled work to start with.
const LAST_RETRY = 5;
const NEXT_ALARM_MS = 600_000;
