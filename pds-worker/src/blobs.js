// Streams the bytes of blobs between clients and R2. They bypass the account's object, which has
// one thread. Only encoded uploads enter wasm, in small chunks, because its memory never shrinks.

import { log } from "./log.js";

// Receives a blob: asks the account for permission, hashes and stores the bytes, and reports the
// result. `send` sends the account a message about this upload and returns the response; `wasm` has
// the functions of the wasm module.
export async function upload(request, bucket, send, wasm) {
	const begun = await send(`begin ${request.headers.get("content-length") ?? "-"}`);
	if (!begun.headers.has(UPLOAD_HEADER)) {
		return begun;
	}
	const { folder, coding, limit } = await begun.json();
	const blob = new IncomingBlob(bucket, folder, limit);
	try {
		const body = chunks(request.body);
		await blob.receive(coding === "identity" ? body : decoded(body, wasm.decoder(coding)));
		const declared = request.headers.get("content-type") ?? "";
		const cid = wasm.rawCid(await blob.digest());
		await blob.store(`${folder}/${cid}`);
		return await send(`kept ${cid} ${blob.size} ${wasm.sniff(blob.head, declared)}`);
	} catch (error) {
		await blob.discard();
		const cause = error instanceof BodyError ? error.cause : "store";
		if (cause === "store") {
			log("blob.failed", `cannot store a blob: ${error?.stack ?? error}`);
		}
		return await send(`failed ${cause}`);
	}
}

// Adds the body to the account's response to a download.
export async function download(response, bucket) {
	const [key, offset, length] = response.headers.get(DOWNLOAD_HEADER).split(" ");
	const range = { offset: Number(offset), length: Number(length) };
	const object = await bucket.get(key, { range });
	if (!object?.body) {
		throw new Error(`blob ${key} is missing from the bucket`);
	}
	const headers = new Headers(response.headers);
	headers.delete(DOWNLOAD_HEADER);
	// The runtime ignores a content-length header. It sends the length that the stream declares.
	const { readable, writable } = new FixedLengthStream(range.length);
	// Usually fails because the client disconnected.
	object.body.pipeTo(writable).catch(() => {});
	return new Response(readable, { status: response.status, headers });
}

// The header of messages to the account about an upload. Clients may not send it.
export const UPLOAD_HEADER = "nacre-upload";
// The header that names the bytes to send: key, offset and length.
export const DOWNLOAD_HEADER = "nacre-blob";

// A fault of the uploaded body, and so of the client. Its cause is a word of the upload protocol.
class BodyError extends Error {
	constructor(cause) {
		super(cause, { cause });
	}
}

// A blob that is being received. A small one is stored at once; a larger one is a multipart upload
// under a temporary key until its hash is known.
class IncomingBlob {
	size = 0;
	head = new Uint8Array(0);

	#bucket;
	#folder;
	#limit;
	#hash = new crypto.DigestStream("SHA-256");
	#writer = this.#hash.getWriter();
	#sha256;
	// The bytes not sent yet: at most one part.
	#part;
	#filled = 0;
	// The multipart upload of a larger blob: its temporary key, and the parts already sent.
	#key;
	#upload;
	#sentParts = [];
	#isComplete = false;

	constructor(bucket, folder, limit) {
		this.#bucket = bucket;
		this.#folder = folder;
		this.#limit = limit;
	}

	async receive(chunks) {
		for await (const chunk of chunks) {
			this.size += chunk.byteLength;
			if (this.size > this.#limit) {
				throw new BodyError("large");
			}
			await this.#writer.write(chunk);
			await this.#append(chunk);
		}
	}

	async digest() {
		await this.#writer.close();
		this.#sha256 = await this.#hash.digest;
		return new Uint8Array(this.#sha256);
	}

	// Stores the whole blob under its final key.
	async store(key) {
		const sha256 = this.#sha256;
		const rest = this.#part?.subarray(0, this.#filled) ?? new Uint8Array(0);
		if (!this.#upload) {
			await this.#bucket.put(key, rest, { sha256 });
			return;
		}
		if (this.#filled > 0) {
			await this.#sendPart(rest);
		}
		await this.#upload.complete(this.#sentParts);
		this.#isComplete = true;
		// R2 cannot rename an object, so its bytes are copied.
		const whole = await this.#bucket.get(this.#key);
		await this.#bucket.put(key, whole.body, { sha256 });
		await this.#bucket.delete(this.#key);
	}

	// Removes everything stored so far.
	async discard() {
		this.#writer.abort().catch(() => {});
		this.#hash.digest.catch(() => {});
		try {
			if (this.#isComplete) {
				await this.#bucket.delete(this.#key);
			} else {
				await this.#upload?.abort();
			}
		} catch (error) {
			// R2 aborts incomplete multipart uploads after a week.
			log("blob.failed", `cannot discard an upload: ${error?.stack ?? error}`);
		}
	}

	async #append(bytes) {
		if (this.head.byteLength < HEAD_BYTES) {
			const more = bytes.subarray(0, HEAD_BYTES - this.head.byteLength);
			const head = new Uint8Array(this.head.byteLength + more.byteLength);
			head.set(this.head);
			head.set(more, this.head.byteLength);
			this.head = head;
		}
		this.#part ??= new Uint8Array(PART_BYTES);
		while (bytes.byteLength > 0) {
			// A full part is sent only when more bytes follow.
			if (this.#filled === PART_BYTES) {
				await this.#sendPart(this.#part);
				this.#filled = 0;
			}
			const fits = bytes.subarray(0, PART_BYTES - this.#filled);
			this.#part.set(fits, this.#filled);
			this.#filled += fits.byteLength;
			bytes = bytes.subarray(fits.byteLength);
		}
	}

	async #sendPart(part) {
		if (!this.#upload) {
			this.#key = `${this.#folder}/${TEMPORARY_PREFIX}${crypto.randomUUID()}`;
			this.#upload = await this.#bucket.createMultipartUpload(this.#key);
		}
		this.#sentParts.push(await this.#upload.uploadPart(this.#sentParts.length + 1, part));
	}
}

// Yields the chunks of a body. An empty body may be `null`.
async function* chunks(body) {
	if (!body) return;
	const reader = body.getReader();
	try {
		for (;;) {
			const { done, value } = await reader.read().catch(() => {
				throw new BodyError("body");
			});
			if (done) return;
			yield value;
		}
	} finally {
		reader.cancel().catch(() => {});
	}
}

// Yields the decoded chunks of an encoded body.
async function* decoded(encoded, decoder) {
	try {
		for await (const chunk of encoded) {
			for (let at = 0; at < chunk.byteLength; at += ENCODED_BYTES) {
				decoder.push(chunk.subarray(at, at + ENCODED_BYTES));
				yield* pullAll(decoder);
			}
		}
		decoder.finish();
		yield* pullAll(decoder);
	} finally {
		decoder.free();
	}
}

// Yields all output that a decoder has ready.
function* pullAll(decoder) {
	for (;;) {
		const chunk = decoder.pull();
		if (chunk === undefined) return;
		if (chunk === null) throw new BodyError("coding");
		yield chunk;
	}
}

// The most encoded bytes copied into wasm at a time.
const ENCODED_BYTES = 64 * 1024;
// R2's minimum size of a part that is not the last.
const PART_BYTES = 5 * 1024 * 1024;
// The number of leading bytes that the media type is sniffed from.
const HEAD_BYTES = 8_192;
// The prefix of temporary keys. No CID starts with it.
const TEMPORARY_PREFIX = ".unfinished-";
