// The scenario: chapters that are played one after another, each on a server of its own.

import { references, uploads } from "./chapters-blobs.mjs";
import { imports, leaving, meanwhile, missingBlobs, operator } from "./chapters-moving.mjs";
import { batches, keys, largeEvents, reads, records, subjects } from "./chapters-records.mjs";
import { addresses, attempts, sessions, tokens } from "./chapters-sessions.mjs";
import {
	inactive,
	ownership,
	ports,
	relays,
	unconfigured,
	variables,
} from "./chapters-settings.mjs";
import { crowd, retention, stream, sync } from "./chapters-sync.mjs";
import { bodies, bytes, codings, front, parameters, sweep } from "./chapters-wire.mjs";
import { PASSWORD, Scene } from "./scene.mjs";

/**
 * Plays the scenario, or some chapters of it, and returns what was answered.
 *
 * @param {'native' | 'workerd'} host
 * @param {string[]} names
 */
export async function play(host, names = []) {
	const scene = new Scene(host);
	const unknown = names.find((name) => !CHAPTERS.some(([title]) => title === name));
	if (unknown) throw new Error(`there is no chapter "${unknown}"`);
	for (const [title, chapter, { only, bare, ...options } = {}] of CHAPTERS) {
		if ((only && only !== host) || (names.length > 0 && !names.includes(title))) continue;
		const before = scene.entries.length;
		const began = Date.now();
		try {
			if (bare) await scene.bareChapter(title, chapter);
			else await scene.chapter(title, chapter, options);
		} catch (error) {
			// The other chapters are worth playing all the same.
			console.error(error);
			process.exitCode = 1;
			const answer = { body: { text: error.message.split("\n")[0] } };
			scene.entries.push({ name: `${title}: broken off`, request: {}, answer });
		}
		const seconds = ((Date.now() - began) / 1_000).toFixed(1);
		console.error(`${title}: ${scene.entries.length - before} answers in ${seconds} s`);
	}
	return scene.entries;
}

/** A server whose host name is `localhost` and its port. */
const UNNAMED = ["--password", PASSWORD];
const CHAPTERS = [
	["front", front],
	["sweep", sweep],
	["parameters", parameters],
	["bodies", bodies],
	["codings", codings],
	["bytes", bytes, { only: "native" }],
	["sessions", sessions],
	["tokens", tokens],
	["records", records],
	["batches", batches],
	["large events", largeEvents],
	["subjects", subjects],
	["keys", keys, { hidesTrees: true }],
	["reads", reads],
	["uploads", uploads],
	["references", references],
	["sync", sync],
	["stream", stream],
	["retention", retention],
	["crowd", crowd],
	["leaving", leaving],
	["imports", imports],
	["missing blobs", missingBlobs],
	["meanwhile", meanwhile],
	["operator", operator],
	["ports", ports, { flags: UNNAMED }],
	["variables", variables],
	["relays", relays, { flags: UNNAMED }],
	["inactive", inactive],
	["ownership", ownership, { only: "workerd" }],
	["unconfigured", unconfigured, { only: "workerd", bare: true }],
	["attempts", attempts],
	["addresses", addresses, { only: "workerd" }],
];
