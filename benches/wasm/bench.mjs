// Measures our rows in WebAssembly: in this Node, and in workerd if its program is given.
//
// usage: node bench.mjs MODULE RECORDS [WORKERD]
//
// Writes a table. A cell is the best of some runs, in time that the process spends on processors, so
// that others who use the machine do not count. workerd is asked by requests that do the row so often
// that the request itself does not count either.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile, mkdtemp, copyFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The rows of `rows.rs` in their order, and which of them go through the whole repository. */
const ROWS = [
	["build-sorted", true],
	["insert", false],
	["proof", false],
	["invert", false],
	["walk-tree", true],
	["record-check", false],
	["k256-sign", false],
	["k256-verify", false],
	["p256-sign", false],
	["p256-verify", false],
];
const RUNS = 7;
const RUN_MS = 500;

const [module, records, workerd] = process.argv.slice(2);
const columns = [[`Node ${process.versions.node}, V8 ${process.versions.v8}`, await inNode()]];
if (workerd) columns.push(["workerd", await inWorkerd(workerd)]);

console.log(`| row | ${columns.map(([name]) => name).join(" | ")} |`);
console.log(`|---|${"---|".repeat(columns.length)}`);
for (const [row, [name]] of ROWS.entries()) {
	console.log(`| ${name} | ${columns.map(([, times]) => shown(times[row])).join(" | ")} |`);
}

async function inNode() {
	const { instance } = await WebAssembly.instantiate(await readFile(module));
	instance.exports.setup(Number(records));
	return measured(process.pid, async (row, times) => instance.exports.run(row, times));
}

async function inWorkerd(program) {
	const folder = await mkdtemp(join(tmpdir(), "nacre-bench-"));
	const own = dirname(fileURLToPath(import.meta.url));
	await copyFile(module, join(folder, "bench.wasm"));
	await copyFile(join(own, "worker.mjs"), join(folder, "worker.mjs"));
	const port = await freePort();
	await writeFile(join(folder, "config.capnp"), config(port));
	const child = spawn(program, ["serve", join(folder, "config.capnp")], { stdio: "inherit" });
	try {
		const call = async (path) => {
			const answer = await fetch(`http://127.0.0.1:${port}${path}`);
			const text = await answer.text();
			if (!answer.ok) throw new Error(text);
		};
		for (let left = 100; ; left--) {
			const ready = await call("/setup/100").then(() => true, () => left === 0);
			if (ready) break;
			await sleep(100);
		}
		await call(`/setup/${records}`);
		return await measured(child.pid, (row, times) => call(`/run/${row}/${times}`));
	} finally {
		child.kill("SIGKILL");
		await rm(folder, { recursive: true });
	}
}

/** Returns the best time of each row in milliseconds of the process that does it. */
async function measured(pid, work) {
	const run = async (row, times) => {
		const start = cpuMs(pid);
		await work(row, times);
		return cpuMs(pid) - start;
	};
	const best = [];
	for (const [row, [, whole]] of ROWS.entries()) {
		// As often as fills a run; the first ones also have the module compiled well.
		let times = whole ? 1 : 16;
		while ((await run(row, times)) < RUN_MS) times *= 2;
		best[row] = Infinity;
		for (let left = RUNS; left > 0; left--) {
			best[row] = Math.min(best[row], (await run(row, times)) / times);
		}
	}
	return best;
}

/** Linux counts it in hundredths of a second. */
function cpuMs(pid) {
	const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
	return (Number(fields[11]) + Number(fields[12])) * 10;
}

function shown(ms) {
	if (ms >= 1) return `${ms.toPrecision(3)} ms`;
	return ms >= 0.001 ? `${(ms * 1e3).toPrecision(3)} µs` : `${(ms * 1e6).toPrecision(3)} ns`;
}

function config(port) {
	return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
	services = [(name = "main", worker = .worker)],
	sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
	compatibilityDate = "2026-09-01",
	modules = [
		(name = "worker.mjs", esModule = embed "worker.mjs"),
		(name = "bench.wasm", wasm = embed "bench.wasm"),
	],
);
`;
}

async function freePort() {
	const server = createServer().listen(0, "127.0.0.1");
	await new Promise((resolve) => server.once("listening", resolve));
	const { port } = server.address();
	await new Promise((resolve) => server.close(resolve));
	return port;
}
