// Compares the Worker with `platform/`, which does next to nothing, in alternating rounds of one run: the
// ratio depends less on the machine and the day than the times.

import { send } from "../../e2e/xrpc.mjs";
import { cpuMs } from "./processes.mjs";
import { startPlatform } from "./workerd.mjs";

/** Measures the processor time of operations of a loaded server and of the platform. */
export async function compare(load) {
	const platform = await startPlatform();
	const { server } = load;
	const body = JSON.stringify(load.sample());
	const get = (path) => async () => ok(await send(platform, path));
	const insert = async () => {
		const headers = { "content-type": "application/json", authorization: "Bearer of something" };
		ok(await send(platform, "/insert", { method: "POST", headers, body }));
	};
	const pairs = [
		["createRecord", () => load.create(), "POST and one insert", insert, 300],
		["getLatestCommit", () => load.latest(), "object and one select", get("/select"), 500],
		["getRecord", () => load.read(), "object and one select", get("/select"), 500],
		["describeRepo", () => load.describe(), "object", get("/object"), 500],
		[
			"robots.txt",
			async () => ok(await send(server, "/robots.txt")),
			"Worker",
			get("/robots.txt"),
			500,
		],
	];
	const rows = [];
	try {
		for (const [ours, own, theirs, other, count] of pairs) {
			const total = { own: 0, other: 0 };
			// The first round warms both up.
			for (let round = 0; round <= ROUNDS; round += 1) {
				const spent = [
					await cpuMs(server, times(count, own)),
					await cpuMs(platform, times(count, other)),
				];
				if (round === 0) continue;
				total.own += spent[0] / (ROUNDS * count);
				total.other += spent[1] / (ROUNDS * count);
			}
			rows.push({ ours, theirs, ...total });
		}
	} finally {
		await platform.remove();
	}
	return rows;
}

/** Writes the comparisons of several sizes as a table. */
export function table(comparisons) {
	const lines = ["| records | Nacre | ms | platform | ms | ratio |", "|---|---|---|---|---|---|"];
	for (const { size, rows } of comparisons) {
		for (const { ours, theirs, own, other } of rows) {
			const numbers = [own, other, own / other].map((number) => number.toPrecision(3));
			const [ownMs, otherMs, ratio] = numbers;
			const records = size.toLocaleString("en");
			lines.push(`| ${records} | ${ours} | ${ownMs} | ${theirs} | ${otherMs} | ${ratio} |`);
		}
	}
	return lines.join("\n");
}

const times = (count, operation) => async () => {
	for (let done = 0; done < count; done += 1) await operation();
};

function ok(answer) {
	if (answer.status !== 200) throw new Error(`status ${answer.status}`);
}

const ROUNDS = 5;
