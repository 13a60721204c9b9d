// Converts requests and responses for `http.rs`. A head crosses between wasm and JavaScript as
// bytes, in one call: a text is its length in 4 bytes, little-endian, and its UTF-8.

// Writes the method, the URL, and the name and value of each header of `request` to `bytes`. Returns
// the size of all of it, which is larger than `bytes` if nothing was written.
export function readHead(request, bytes) {
	const texts = [request.method, request.url];
	for (const [name, value] of request.headers) texts.push(name, value);
	return writeTexts(texts, bytes);
}

// Returns a response with the names and values in `headers`. `body` is bytes, a stream or null.
export function makeResponse(status, headers, body) {
	// Views of wasm memory change after this call.
	const bytes = body instanceof Uint8Array ? body.slice() : body;
	const texts = readTexts(headers);
	const pairs = [];
	for (let at = 0; at < texts.length; at += 2) pairs.push([texts[at], texts[at + 1]]);
	return new Response(bytes, { status, headers: pairs });
}

function writeTexts(texts, bytes) {
	let most = 0;
	// A UTF-16 unit takes at most 3 bytes in UTF-8.
	for (const text of texts) most += 4 + 3 * text.length;
	if (most > bytes.length) {
		return most;
	}
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	let at = 0;
	for (const text of texts) {
		const { written } = encoder.encodeInto(text, bytes.subarray(at + 4));
		view.setUint32(at, written, true);
		at += 4 + written;
	}
	return at;
}

function readTexts(bytes) {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const texts = [];
	for (let at = 0; at < bytes.length; ) {
		const start = at + 4;
		at = start + view.getUint32(at, true);
		texts.push(decoder.decode(bytes.subarray(start, at)));
	}
	return texts;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();
