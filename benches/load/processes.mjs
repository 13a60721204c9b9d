// What the processes of a server have used, as the system counts it: proc(5).

import { readFileSync, readdirSync } from "node:fs";

/** Returns the processor time of all processes of a server so far, in seconds. */
export function cpuSeconds(server) {
	return stats(server).reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;
}

/** Returns the memory of all processes of a server, in MiB. */
export function residentMebibytes(server) {
	const pages = stats(server).reduce((sum, { pages }) => sum + pages, 0);
	return (pages * 4096) / 2 ** 20;
}

/** Runs an operation and returns the processor time that it takes the server, in milliseconds. */
export async function cpuMs(server, operation) {
	const before = cpuSeconds(server);
	await operation();
	return (cpuSeconds(server) - before) * 1000;
}

function stats(server) {
	const all = readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name))
		.flatMap(stat);
	const group = all.find(({ pid }) => pid === server.pid)?.group;
	return all.filter((process) => process.group === group);
}

/** Reads the line of a process, if it still runs. */
function stat(pid) {
	try {
		const text = readFileSync(`/proc/${pid}/stat`, "utf8");
		const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
		const [group, user, system, pages] = [2, 11, 12, 21].map((index) => Number(fields[index]));
		return [{ pid: Number(pid), group, ticks: user + system, pages }];
	} catch {
		return [];
	}
}

const TICKS_PER_SECOND = 100;
