// Runs statements of a Durable Object's database for `sql.rs`. Parameters and rows cross between
// wasm and JavaScript as bytes, a whole statement at a time.
//
// A value is a tag and its bytes: null; a number of 8 bytes; or text or a blob, after its length in
// 4 bytes. Numbers are little-endian. A row is the number of its columns in 1 byte, and its values.

export class Database {
	#sql;
	// Cursors with rows left, by their ids. No cursor has id 0.
	#open = new Map();
	#lastId = 0;

	constructor(sql) {
		this.#sql = sql;
	}

	// Runs a statement and writes its first rows to `rows`, as `next` does.
	query(statement, params, rows) {
		const cursor = this.#sql.exec(statement, ...decode(params));
		return this.#fill(0, { cursor, values: cursor.raw(), pending: null }, rows);
	}

	// Writes the next rows of an open cursor to `rows`, as many as fit. A header comes first: the id
	// of the cursor if rows are left, and the bytes that the next row needs. Returns how many bytes
	// were written.
	next(id, rows) {
		return this.#fill(id, this.#open.get(id), rows);
	}

	// Reads and drops the remaining rows of an open cursor. A statement with unread rows locks its
	// tables, and a cursor has no `close`.
	end(id) {
		const open = this.#open.get(id);
		this.#open.delete(id);
		while (!open.values.next().done);
		this.#count(open.cursor);
	}

	#fill(id, open, bytes) {
		try {
			return this.#write(id, open, bytes);
		} catch (error) {
			// A failed cursor has no rows left.
			this.#open.delete(id);
			throw error;
		}
	}

	#write(id, open, bytes) {
		const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		let at = HEADER_BYTES;
		for (;;) {
			if (open.pending === null) {
				const { done, value } = open.values.next();
				if (done) {
					this.#open.delete(id);
					this.#count(open.cursor);
					view.setUint32(0, 0, true);
					return at;
				}
				open.pending = value;
			}
			const size = rowBytes(open.pending);
			if (at + size > bytes.length) {
				if (id === 0) {
					this.#lastId = (this.#lastId % 0xffff_fffe) + 1;
					id = this.#lastId;
					this.#open.set(id, open);
				}
				view.setUint32(0, id, true);
				view.setUint32(4, size, true);
				return at;
			}
			at = writeRow(open.pending, bytes, view, at);
			open.pending = null;
		}
	}

	#count(cursor) {
		read += cursor.rowsRead;
		written += cursor.rowsWritten;
	}
}

// The rows that the platform bills for finished cursors.
let read = 0;
let written = 0;

export function rowsRead() {
	return read;
}

export function rowsWritten() {
	return written;
}

// Returns the parameters in `bytes`. Blobs are copied, because the statement may outlive `bytes`.
function decode(bytes) {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const values = [];
	for (let at = 0; at < bytes.length; ) {
		const tag = bytes[at++];
		if (tag === NULL) {
			values.push(null);
		} else if (tag === NUMBER) {
			values.push(view.getFloat64(at, true));
			at += 8;
		} else {
			const start = at + 4;
			at = start + view.getUint32(at, true);
			values.push(
				tag === TEXT ? decoder.decode(bytes.subarray(start, at)) : bytes.slice(start, at),
			);
		}
	}
	return values;
}

// Returns the most bytes that a row takes.
function rowBytes(row) {
	let size = 1;
	for (const value of row) {
		if (typeof value === "number") size += 9;
		// A UTF-16 unit takes at most 3 bytes in UTF-8.
		else if (typeof value === "string") size += 5 + 3 * value.length;
		else if (value !== null) size += 5 + value.byteLength;
		else size += 1;
	}
	return size;
}

function writeRow(row, bytes, view, at) {
	bytes[at++] = row.length;
	for (const value of row) {
		if (typeof value === "number") {
			bytes[at++] = NUMBER;
			view.setFloat64(at, value, true);
			at += 8;
		} else if (typeof value === "string") {
			bytes[at++] = TEXT;
			const length = encoder.encodeInto(value, bytes.subarray(at + 4)).written;
			view.setUint32(at, length, true);
			at += 4 + length;
		} else if (value !== null) {
			bytes[at++] = BLOB;
			view.setUint32(at, value.byteLength, true);
			bytes.set(new Uint8Array(value), at + 4);
			at += 4 + value.byteLength;
		} else {
			bytes[at++] = NULL;
		}
	}
	return at;
}

const HEADER_BYTES = 8;
const NULL = 0;
const NUMBER = 1;
const TEXT = 2;
const BLOB = 3;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();
