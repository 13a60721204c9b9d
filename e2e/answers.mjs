#!/usr/bin/env node
// Records what a server answers to a fixed scenario, and compares two recordings.

import { readFile, writeFile } from "node:fs/promises";

import { compare } from "./answers/compare.mjs";
import { play } from "./answers/scenario.mjs";

const [command, ...rest] = process.argv.slice(2);
if (command === "record" && ["native", "workerd"].includes(rest[0]) && rest[1]) {
	const [host, file, ...chapters] = rest;
	const entries = await play(host, chapters);
	await writeFile(file, `${JSON.stringify(entries, null, "\t")}\n`);
	console.log(`${file}: ${entries.length} answers`);
} else if (command === "compare" && rest.length === 2) {
	const [before, after] = await Promise.all(
		rest.map(async (file) => JSON.parse(await readFile(file, "utf8"))),
	);
	const { text, isEqual } = compare(before, after);
	console.log(text);
	process.exitCode = isEqual ? 0 : 1;
} else {
	console.error(`usage: answers.mjs record native|workerd FILE [CHAPTER…]
       answers.mjs compare BEFORE AFTER`);
	process.exitCode = 2;
}
