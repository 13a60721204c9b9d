// The bytes of blobs, between clients and R2. They do not pass through the account's object, which
// has one thread. Only encoded uploads enter wasm, whose memory never shrinks, in small pieces.

// Receives a blob: asks the account whether it may come, stores it while it is hashed, and tells
// the account of it. `ask` sends the account a word about this upload and returns its response;
// `known` are functions of the wasm module.
export async function upload(request, bucket, ask, known) {
	const begun = await ask(`begin ${request.headers.get("content-length") ?? "-"}`);
	if (!begun.headers.has(UPLOAD)) {
		return begun;
	}
	const { folder, coding, limit } = await begun.json();
	const blob = new Incoming(bucket, folder, limit);
	try {
		const body = pieces(request.body);
		await blob.take(coding === "identity" ? body : decoded(body, known.decoder(coding)));
		const declared = request.headers.get("content-type") ?? "";
		const cid = known.rawCid(await blob.digest());
		await blob.keep(`${folder}/${cid}`);
		return await ask(`kept ${cid} ${blob.size} ${known.sniff(blob.head, declared)}`);
	} catch (error) {
		await blob.abandon();
		const why = error instanceof Failure ? error.why : "store";
		if (why === "store") {
			console.error("a blob could not be stored:", error?.stack ?? error);
		}
		return await ask(`failed ${why}`);
	}
}

// Puts the bytes on a response of the account that is the head of a blob's.
export async function download(response, bucket) {
	const [key, offset, length] = response.headers.get(DOWNLOAD).split(" ");
	const range = { offset: Number(offset), length: Number(length) };
	const object = await bucket.get(key, { range });
	if (!object?.body) {
		throw new Error(`the blob ${key} is not in the bucket`);
	}
	const headers = new Headers(response.headers);
	headers.delete(DOWNLOAD);
	// The runtime says how long a body is if it knows, and not because a header does.
	const { readable, writable } = new FixedLengthStream(range.length);
	object.body.pipeTo(writable).catch((error) => {
		// Most often, the client has gone away.
		console.log(`the blob ${key} was not sent to its end: ${error?.message}`);
	});
	return new Response(readable, { status: response.status, headers });
}

// The header by which front and account speak of an upload; clients may not send it.
export const UPLOAD = "nacre-upload";
// The header that asks for the bytes of a blob: key, offset and length.
export const DOWNLOAD = "nacre-blob";

// A failure that the client is to blame for.
class Failure extends Error {
	constructor(why) {
		super(why);
		this.why = why;
	}
}

// A blob that comes in: a small one in one piece, a larger one in parts, under a name of its own
// until its hash is known.
class Incoming {
	size = 0;
	head = new Uint8Array(0);

	#bucket;
	#folder;
	#limit;
	#hash = new crypto.DigestStream("SHA-256");
	#writer = this.#hash.getWriter();
	#sha256;
	// What has not been sent yet, of which there is at most a part.
	#part;
	#filled = 0;
	// Of a larger one: the upload in parts, and those that have been sent.
	#key;
	#upload;
	#sent = [];
	#isComplete = false;

	constructor(bucket, folder, limit) {
		this.#bucket = bucket;
		this.#folder = folder;
		this.#limit = limit;
	}

	async take(pieces) {
		for await (const piece of pieces) {
			this.size += piece.byteLength;
			if (this.size > this.#limit) {
				throw new Failure("large");
			}
			await this.#writer.write(piece);
			await this.#fill(piece);
		}
	}

	async digest() {
		await this.#writer.close();
		this.#sha256 = await this.#hash.digest;
		return new Uint8Array(this.#sha256);
	}

	// Stores all of it under its final key.
	async keep(key) {
		const sha256 = this.#sha256;
		const rest = this.#part?.subarray(0, this.#filled) ?? new Uint8Array(0);
		if (!this.#upload) {
			await this.#bucket.put(key, rest, { sha256 });
			return;
		}
		if (this.#filled > 0) {
			await this.#send(rest);
		}
		await this.#upload.complete(this.#sent);
		this.#isComplete = true;
		// R2 has no name for "the same under another key": its bytes pass by.
		const whole = await this.#bucket.get(this.#key);
		await this.#bucket.put(key, whole.body, { sha256 });
		await this.#bucket.delete(this.#key);
	}

	// Leaves nothing behind.
	async abandon() {
		this.#writer.abort().catch(() => {});
		this.#hash.digest.catch(() => {});
		try {
			if (this.#isComplete) {
				await this.#bucket.delete(this.#key);
			} else {
				await this.#upload?.abort();
			}
		} catch (error) {
			// R2 itself ends an upload that nobody completes within a week.
			console.error("an upload could not be ended:", error?.stack ?? error);
		}
	}

	async #fill(bytes) {
		if (this.head.byteLength < HEAD_BYTES) {
			const more = bytes.subarray(0, HEAD_BYTES - this.head.byteLength);
			const head = new Uint8Array(this.head.byteLength + more.byteLength);
			head.set(this.head);
			head.set(more, this.head.byteLength);
			this.head = head;
		}
		this.#part ??= new Uint8Array(PART_BYTES);
		while (bytes.byteLength > 0) {
			// One that is full has more behind it.
			if (this.#filled === PART_BYTES) {
				await this.#send(this.#part);
				this.#filled = 0;
			}
			const fits = bytes.subarray(0, PART_BYTES - this.#filled);
			this.#part.set(fits, this.#filled);
			this.#filled += fits.byteLength;
			bytes = bytes.subarray(fits.byteLength);
		}
	}

	async #send(part) {
		if (!this.#upload) {
			this.#key = `${this.#folder}/${UNFINISHED}${crypto.randomUUID()}`;
			this.#upload = await this.#bucket.createMultipartUpload(this.#key);
		}
		this.#sent.push(await this.#upload.uploadPart(this.#sent.length + 1, part));
	}
}

// Yields the pieces of a body; one of no bytes may be `null`.
async function* pieces(body) {
	if (!body) return;
	const reader = body.getReader();
	try {
		for (;;) {
			const { done, value } = await reader.read().catch(() => {
				throw new Failure("body");
			});
			if (done) return;
			yield value;
		}
	} finally {
		reader.cancel().catch(() => {});
	}
}

// Yields the decoded pieces of an encoded body.
async function* decoded(encoded, decoder) {
	try {
		for await (const piece of encoded) {
			for (let at = 0; at < piece.byteLength; at += ENCODED_BYTES) {
				decoder.push(piece.subarray(at, at + ENCODED_BYTES));
				yield* pulled(decoder);
			}
		}
		decoder.finish();
		yield* pulled(decoder);
	} finally {
		decoder.free();
	}
}

// Yields what a decoder has decoded so far.
function* pulled(decoder) {
	for (;;) {
		const piece = decoder.pull();
		if (piece === undefined) return;
		if (piece === null) throw new Failure("coding");
		yield piece;
	}
}

// The most encoded bytes that are copied into wasm at a time.
const ENCODED_BYTES = 64 * 1024;
// The least that R2 takes as a part that is not the last.
const PART_BYTES = 5 * 1024 * 1024;
// How many of the first bytes tell what a blob is.
const HEAD_BYTES = 8_192;
// How names of blobs begin whose hash is not known yet. No CID begins so.
const UNFINISHED = ".unfinished-";
