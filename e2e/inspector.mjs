// The memory of a Worker's isolate, through the inspector of workerd:
// https://chromedevtools.github.io/devtools-protocol/v8/HeapProfiler/

import WebSocket from "ws";

/**
 * Collects the garbage of an isolate and returns what is left, in bytes: `objects` of JavaScript,
 * `buffers`, among them the memory of wasm, and compiled `code`, which grows while functions are
 * optimised.
 *
 * @param {{ inspector: string }} server
 */
export async function liveMemory({ inspector }) {
	const socket = new WebSocket(`ws://${inspector}/main`);
	try {
		await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
		// A snapshot collects first. `HeapProfiler.collectGarbage` would wait for the next request.
		const snapshot = await takeSnapshot(socket);
		return sum(JSON.parse(snapshot));
	} finally {
		socket.close();
	}
}

/** Returns the text of a heap snapshot. */
async function takeSnapshot(socket) {
	const chunks = [];
	const taken = new Promise((resolve, reject) => {
		socket.once("close", () => reject(new Error("the inspector closed the connection")));
		socket.on("message", (text) => {
			const { id, method, params, error } = JSON.parse(text);
			if (method === "HeapProfiler.addHeapSnapshotChunk") chunks.push(params.chunk);
			if (id === ID) error ? reject(new Error(error.message)) : resolve();
		});
	});
	socket.send(JSON.stringify({ id: ID, method: "HeapProfiler.takeHeapSnapshot" }));
	await taken;
	return chunks.join("");
}

/** Adds up the sizes of the nodes of a snapshot, each of which is a row of numbers. */
function sum({ snapshot, nodes, strings }) {
	const { node_fields: fields } = snapshot.meta;
	const [name, size] = [fields.indexOf("name"), fields.indexOf("self_size")];
	const total = { objects: 0, buffers: 0, code: 0 };
	for (let row = 0; row < nodes.length; row += fields.length) {
		const kind = KINDS.get(strings[nodes[row + name]]) ?? "objects";
		total[kind] += nodes[row + size];
	}
	return total;
}

const ID = 1;
const KINDS = new Map([
	["system / JSArrayBufferData", "buffers"],
	["system / CppGCManaged (WasmNativeModule)", "code"],
]);
