// The scenario: chapters that are played one after another, each on a new server.

import { references, uploads } from "./chapters-blobs.mjs";
import {
	concurrentImports,
	deactivation,
	imports,
	missingBlobs,
	operator,
} from "./chapters-migration.mjs";
import { batches, keys, largeEvents, reads, records, subjects } from "./chapters-records.mjs";
import { addressLimits, sessions, signInLimits, tokens } from "./chapters-sessions.mjs";
import {
	inactive,
	ownership,
	ports,
	relays,
	unconfigured,
	variables,
} from "./chapters-settings.mjs";
import { retention, stream, subscriberLimit, sync } from "./chapters-sync.mjs";
import { access, bodies, bytes, codings, parameters, paths } from "./chapters-http.mjs";
import { PASSWORD, Scene } from "./scene.mjs";

/**
 * Plays the scenario, or some of its chapters, and returns the recorded entries.
 *
 * @param {'native' | 'workerd'} host
 * @param {string[]} names
 */
export async function play(host, names = []) {
	const scene = new Scene(host);
	const unknown = names.find((name) => !CHAPTERS.some(([title]) => title === name));
	if (unknown) throw new Error(`no chapter "${unknown}"`);
	for (const [title, chapter, { only, bare, ...options } = {}] of CHAPTERS) {
		if ((only && only !== host) || (names.length > 0 && !names.includes(title))) continue;
		const before = scene.entries.length;
		const began = Date.now();
		try {
			if (bare) await scene.bareChapter(title, chapter);
			else await scene.chapter(title, chapter, options);
		} catch (error) {
			// The other chapters are still played.
			console.error(error);
			process.exitCode = 1;
			const answer = { body: { text: error.message.split("\n")[0] } };
			scene.entries.push({ name: `${title}: aborted`, request: {}, answer });
		}
		const seconds = ((Date.now() - began) / 1_000).toFixed(1);
		console.error(`${title}: ${scene.entries.length - before} answers in ${seconds} s`);
	}
	return scene.entries;
}

/** Flags of a server whose host name is `localhost` with its port. */
const LOCALHOST = ["--password", PASSWORD];
const CHAPTERS = [
	["paths", paths],
	["access", access],
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
	["subscriber limit", subscriberLimit],
	["deactivation", deactivation],
	["imports", imports],
	["missing blobs", missingBlobs],
	["concurrent imports", concurrentImports],
	["operator", operator],
	["ports", ports, { flags: LOCALHOST }],
	["variables", variables],
	["relays", relays, { flags: LOCALHOST }],
	["inactive", inactive],
	["ownership", ownership, { only: "workerd" }],
	["unconfigured", unconfigured, { only: "workerd", bare: true }],
	["sign-in limits", signInLimits],
	["address limits", addressLimits, { only: "workerd" }],
];
