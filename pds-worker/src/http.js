// Converts requests and responses for `http.rs`. A head crosses between wasm and JavaScript in one
// call, as one text: its parts are lines, because no part contains a line break.

// Writes the method, the URL, and the index and value of each header in `names` that `request` has to
// `bytes`, in UTF-8. Returns the size, or more than `bytes` has if the text may not fit.
export function readHead(request, names, bytes) {
	const { headers } = request;
	let head = `${request.method}\n${request.url}`;
	for (let index = 0; index < names.length; index++) {
		const value = headers.get(names[index]);
		if (value !== null) head += `\n${index}\n${value}`;
	}
	return write(head, bytes);
}

// Does the same with the status and all headers of `response`.
export function readResponseHead(response, bytes) {
	let head = `${response.status}`;
	for (const [name, value] of response.headers) head += `\n${name}\n${value}`;
	return write(head, bytes);
}

// Returns the method and the URL of `request`, and whether it has the header `name`.
export function readTarget(request, name) {
	return `${request.method}\n${request.url}\n${request.headers.has(name)}`;
}

// Returns a promise of the bytes of a body, which fails if there are more than announced.
export async function readBody(request, length) {
	const bytes = new Uint8Array(await request.arrayBuffer());
	if (bytes.length > length) throw new Error("the body is longer than its Content-Length");
	return bytes;
}

// Returns a response with the names and values in the lines of `headers`. `body` is bytes, a stream
// or null.
export function makeResponse(status, headers, body) {
	// The bytes are a view of wasm memory, which changes after this call.
	const content = body instanceof Uint8Array ? body.slice() : body;
	return new Response(content, { status, headers: pairs(headers.split("\n")) });
}

// Returns the name and the value of each header in `lines`.
export function pairs(lines) {
	const pairs = [];
	for (let at = 0; at + 1 < lines.length; at += 2) pairs.push([lines[at], lines[at + 1]]);
	return pairs;
}

function write(head, bytes) {
	// A UTF-16 unit takes at most 3 bytes in UTF-8.
	const most = 3 * head.length;
	return most > bytes.length ? most : encoder.encodeInto(head, bytes).written;
}

const encoder = new TextEncoder();
