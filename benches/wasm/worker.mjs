// The Worker that workerd runs: does as it is told by the address, and says nothing of time, which
// stands still in a Worker while it computes.

import module from "./bench.wasm";

const { exports } = new WebAssembly.Instance(module);

export default {
	fetch(request) {
		const [, name, ...numbers] = new URL(request.url).pathname.split("/");
		return new Response(String(exports[name](...numbers.map(Number))));
	},
};
