// The official consumer of the event stream, with every signature checked.

import { Firehose } from "@atproto/sync";

import { within } from "./hosts.mjs";
import { resolver } from "./loopback.mjs";

/**
 * Runs the official consumer.
 *
 * @param {import('./hosts.mjs').Server} server
 * @param {number} [cursor]
 */
export async function follow(server, cursor) {
	const events = [];
	const waiting = new Set();
	let fail;
	const failed = new Promise((_, reject) => (fail = reject));
	failed.catch(() => {});
	const firehose = new Firehose({
		service: server.url.replace("http:", "ws:"),
		idResolver: resolver(server),
		handleEvent: (event) => {
			events.push(event);
			for (const look of waiting) look();
		},
		onError: (error) => fail(error),
		getCursor: () => cursor,
	});
	firehose.start();
	const until = async (wanted) => {
		const seen = new Promise((resolve) => {
			const look = () => events.some(wanted) && resolve();
			waiting.add(look);
			look();
		});
		await within(20_000, "the event did not come", Promise.race([seen, failed]), server);
	};
	return { events, firehose, until };
}
