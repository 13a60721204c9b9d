// A Durable Object that hibernates while its subscribers stay connected.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Caller } from "./cases.mjs";
import { onEachHost } from "./hosts.mjs";
import { Subscriber, lastSeq, unbroken } from "./stream.mjs";
import { send } from "./xrpc.mjs";

onEachHost(
	"hibernation",
	(server) => {
		const owner = new Caller(server);
		const made = async () => (await send(server(), "/__test/made")).json;

		test("subscribers survive hibernation and miss nothing", async () => {
			const session = { accessJwt: await owner.token() };
			const before = await lastSeq(server(), session);
			const caughtUp = await Subscriber.open(server(), 0);
			await caughtUp.until(before);
			const live = await Subscriber.open(server());
			(await owner.create(NOTE, { is: "before" })).expect();
			await live.count(1);

			const objects = await made();
			await sleep(ASLEEP_MS);
			assert.ok((await made()) > objects, "the object has been asleep");
			(await owner.create(NOTE, { is: "after" })).expect();
			await live.count(2);
			await sleep(ASLEEP_MS);
			(await owner.create(NOTE, { is: "after another sleep" })).expect();
			const received = await live.count(3);
			unbroken(received);
			assert.deepEqual(
				caughtUp.events.slice(-3).map(({ body }) => body.seq),
				received.map(({ body }) => body.seq),
			);
			unbroken(caughtUp.events);
			// A later subscriber receives the same events.
			const late = await Subscriber.open(server(), before);
			assert.equal((await late.count(3)).length, 3);
			await Promise.all([late, live, caughtUp].map((subscriber) => subscriber.close()));
		});
	},
	{ only: "workerd" },
);

const NOTE = "com.example.note";
/** Longer than the ten seconds after which an idle object hibernates. */
const ASLEEP_MS = 13_000;
