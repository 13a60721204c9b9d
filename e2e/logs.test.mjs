// The log and the metrics: every request and fault can be found, and no secret can.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Caller } from "./cases.mjs";
import { onEachHost, within } from "./hosts.mjs";
import { procedure, send } from "./xrpc.mjs";

onEachHost("logs", (server) => {
	const owner = new Caller(server);

	/** Waits until the log has a line with all of these texts, and returns the line. */
	async function logged(...texts) {
		const isFound = (line) => texts.every((text) => line.includes(text));
		const found = async () => {
			for (;;) {
				const line = server().ownLog().split("\n").find(isFound);
				if (line) return line;
				await sleep(20);
			}
		};
		return within(5_000, `the log has no line with ${texts.join(", ")}`, found(), server());
	}

	test("no log has a secret of a client, at the most talkative level", async () => {
		await server().stop();
		await appendFile(join(server().folder, "pds.env"), "\nLOG_LEVEL=debug\n");
		await server().start();
		const canary = (name) => `canary-${name}-${randomBytes(12).toString("hex")}`;
		const canaries = [];
		const hide = (name) => {
			const secret = canary(name);
			canaries.push(secret);
			server().keepSecret(secret);
			return secret;
		};
		const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });
		const session = "/xrpc/com.atproto.server.getSession";
		const password = hide("password");
		await procedure(server(), "com.atproto.server.createSession", {
			identifier: server().handle,
			password,
		});
		await procedure(server(), "com.atproto.server.createSession", {
			identifier: hide("identifier"),
			password: "wrong",
			authFactorToken: hide("factor"),
		});
		await send(server(), session, bearer(hide("bearer")));
		const basic = Buffer.from(`admin:${hide("basic")}`).toString("base64");
		server().keepSecret(basic);
		await send(server(), session, { headers: { authorization: `Basic ${basic}` } });
		await send(server(), session, { headers: { cookie: `sid=${hide("cookie")}` } });
		await send(server(), session, { headers: { dpop: hide("dpop") } });
		await send(server(), `${session}?token=${hide("query")}`);
		await send(server(), `/xrpc/com.example.${hide("method")}`);
		await send(server(), `/${hide("path")}`);
		await send(server(), "/operator/verify", bearer(hide("operator")));
		await owner.post("com.atproto.repo.createRecord", {
			repo: server().did,
			collection: "com.example.note",
			record: { text: hide("record"), broken: { $link: hide("link") } },
		});
		await owner.create("com.example.note", { text: hide("text") });
		await owner.send("com.atproto.repo.uploadBlob", "text/plain", hide("blob"));
		assert.ok(canaries.length >= 12);

		await logged("com.atproto.repo.uploadBlob", "200");
		await logged("com.atproto.server.createSession", "401");
		for (const secret of canaries) assert.ok(!server().ownLog().includes(secret), secret);
	});

	test("a fault names the request in the answer and in the log", async () => {
		const answer = await fault();
		assert.equal(answer.status, 500);
		const id = answer.headers.get("x-request-id");
		assert.match(id ?? "", /^[0-9a-z-]{8,}$/);
		const line = await logged(id);
		assert.match(line, /request\.failed|object\.failed/);
	});

	/** Causes a fault: a blob that is lost, or a panic. */
	async function fault() {
		if (server().host === "workerd") return send(server(), "/__test/panic");
		const sent = await owner.send("com.atproto.repo.uploadBlob", "text/plain", "pearl");
		const { blob } = sent.expect();
		(await owner.create("com.example.note", { blob })).expect();
		const blobs = join(server().folder, "blobs");
		for (const file of await readdir(blobs)) {
			await rm(join(blobs, file), { recursive: true });
		}
		return owner.sync("getBlob", { cid: blob.ref.$link });
	}

	test("metrics are Prometheus text for the operator, and count requests, writes and rows", async () => {
		assert.equal((await send(server(), "/operator/metrics")).status, 401);
		const before = await metrics();
		(await owner.create("com.example.note", { text: "counted" })).expect();
		const after = await metrics();
		const added = (name) => after.get(name) - (before.get(name) ?? 0);
		const created = 'nacre_requests_total{method="com.atproto.repo.createRecord",status="200"}';
		assert.equal(added(created), 1);
		assert.equal(added("nacre_commits_total"), 1);
		assert.equal(added("nacre_record_writes_total"), 1);
		assert.equal(added("nacre_records"), 1);
		assert.ok(added("nacre_sql_rows_written_total") >= 3);
		assert.ok(after.get("nacre_today_record_writes") >= 1);
		assert.ok(after.get("nacre_event_log_bytes") > 0);
		assert.equal(after.get('nacre_request_duration_seconds_bucket{le="+Inf"}'), requests(after));
	});

	test("the totals of the day survive a restart", async () => {
		(await owner.create("com.example.note", { text: "kept" })).expect();
		const before = await metrics();
		await server().stop();
		await server().start();
		const after = await metrics();
		for (const name of ["nacre_today_record_writes", "nacre_today_requests"]) {
			assert.ok(after.get(name) > 0 && after.get(name) >= before.get(name) - 2, name);
		}
		assert.equal(after.get("nacre_commits_total"), 0);
	});

	/** Returns the samples of the metrics. */
	async function metrics() {
		const answer = await owner.operate("GET", "metrics");
		assert.equal(answer.status, 200);
		assert.match(answer.headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
		const lines = new TextDecoder().decode(answer.bytes).trim().split("\n");
		const samples = new Map();
		for (const line of lines.filter((line) => !line.startsWith("#"))) {
			const [, name, value] = /^(\w+(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? assert.fail(line);
			assert.ok(!samples.has(name), name);
			samples.set(name, Number(value));
		}
		return samples;
	}

	function requests(samples) {
		const counts = [...samples].filter(([name]) => name.startsWith("nacre_requests_total"));
		return counts.reduce((sum, [, count]) => sum + count, 0);
	}
});
