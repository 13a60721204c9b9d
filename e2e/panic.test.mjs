// A panic on the real runtime fails one request and keeps none of its writes. The routes that panic are
// in `pds-worker/src/test_routes.rs`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { onEachHost, within } from "./hosts.mjs";
import { Subscriber, lastSeq } from "./stream.mjs";
import { exportRepo, latestCommit, query, send, signIn, writer } from "./xrpc.mjs";

onEachHost(
	"panic",
	(server) => {
		const routes = { "in a bare turn": "panic", "in a transaction": "panic?transaction" };
		const text = ({ bytes }) => new TextDecoder().decode(bytes);
		let session;

		for (const [where, route] of Object.entries(routes)) {
			test(`${where} is a 500 at once, keeps nothing, and the next request is served`, async () => {
				session ??= await signIn(server());
				const head = await latestCommit(server());
				for (let time = 0; time < 3; time += 1) {
					const panicking = send(server(), `/__test/${route}`);
					const answer = await within(5_000, "the panic was not answered", panicking, server());
					assert.equal(answer.status, 500);
					assert.deepEqual(answer.json, {
						error: "InternalServerError",
						message: "Internal Server Error",
					});
					assert.equal(text(await send(server(), "/__test/panic?count")), "0");
				}
				assert.deepEqual(await latestCommit(server()), head);
				const { commit } = await writer(server(), session).create("com.example.after", { where });
				assert.deepEqual(await latestCommit(server()), commit);
			});
		}

		test("fails the requests in flight without hanging any", async () => {
			const calls = Array.from({ length: 12 }, (_, index) =>
				index === 6
					? send(server(), "/__test/panic")
					: exportRepo(server()).catch((error) => error),
			);
			await within(10_000, "a request hung", Promise.all(calls), server());
			await query(server(), "com.atproto.server.describeServer").then((answer) => answer.expect());
		});

		test("closes the connections of subscribers, who miss nothing after reconnecting", async () => {
			session ??= await signIn(server());
			const last = await lastSeq(server(), session);
			const reader = await Subscriber.open(server(), 0);
			await reader.until(last);
			await send(server(), "/__test/panic");
			await reader.end();
			await writer(server(), session).create("com.example.after", { the: "panic" });
			const again = await Subscriber.open(server(), last);
			const [next] = await again.until(last + 1);
			assert.deepEqual(next.body.ops[0].path.split("/")[0], "com.example.after");
			await again.close();
		});

		test("after a response does not affect later requests", async () => {
			session ??= await signIn(server());
			const head = await latestCommit(server());
			const reader = await Subscriber.open(server());
			assert.equal((await send(server(), "/__test/panic?later")).status, 200);
			// The end of the connection shows the panic.
			await reader.end();
			assert.deepEqual(await latestCommit(server()), head);
			await writer(server(), session).create("com.example.after", { panic: "later" });
		});

		test("in scheduled work is retried until the work succeeds", async () => {
			await send(server(), "/__test/panic?alarm");
			const done = async () => {
				for (;;) {
					const answer = await send(server(), "/__test/panic?alarms");
					// The object does not respond for a moment after the panic.
					if (answer.status === 200) {
						const [panics, done] = JSON.parse(text(answer));
						if (panics === 0 && done > 0) return;
					}
					await sleep(100);
				}
			};
			await within(60_000, "the alarm was not retried", done(), server());
			await query(server(), "com.atproto.server.describeServer").then((answer) => answer.expect());
		});

		test("an eviction keeps the head", async () => {
			const head = await latestCommit(server());
			await send(server(), "/__test/abort");
			assert.deepEqual(await latestCommit(server()), head);
		});

		test("the database enforces its constraints on this runtime", async () => {
			const answer = await send(server(), "/__test/sql");
			assert.equal(answer.status, 200);
			assert.equal(text(answer), "");
		});
	},
	{ only: "workerd" },
);
