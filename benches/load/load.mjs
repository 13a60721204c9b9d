// Drives a server over loopback and prints what its operations cost: processor time of the server's
// processes per operation, which does not depend on who else uses the machine, and what a client
// waits for, which does.
//
//     cargo xtask load [records]…

import { readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

import { Server } from "../../e2e/hosts.mjs";
import { activate, deactivate, procedure, query, signIn } from "../../e2e/xrpc.mjs";
import { latency, median, replay } from "./stream.mjs";
import { startWorkerd } from "./workerd.mjs";

/** The load of one server, which has no records yet. */
class Load {
	/** Where each record is. */
	keys = [];
	random = 1;

	constructor(server) {
		this.server = server;
	}

	async begin() {
		this.session = await signIn(this.server);
		// workerd lets its memory grow to some size whatever it is asked.
		for (let done = 0; done < 12_000; done += 1) {
			expect(await query(this.server, "com.atproto.server.describeServer"));
		}
		this.memoryAtFirst = this.memory();
	}

	/** Adds likes, posts and follows until there are so many records. */
	async fill(size) {
		while (this.keys.length < size) await this.apply(Math.min(200, size - this.keys.length));
	}

	async measure() {
		const { did } = this.server;
		const get = (nsid, params) => async () => expect(await query(this.server, nsid, params));
		const some = () => this.keys[this.below(this.keys.length)];
		const of = (collection) => ({ repo: did, collection });
		const create = () => this.create();
		const rows = {};
		// Where a replay begins: what was there before came in batches. Events have the time as number.
		const began = Date.now();
		const least = get("com.atproto.server.describeServer");
		rows["describeServer, CPU: what any request takes"] = await this.cpu(500, least);
		rows["createRecord, CPU"] = await this.cpu(300, create);
		for (const inFlight of [1, 8, 32]) {
			const name = `createRecord, ${inFlight} in flight`;
			const { perSecond, cpu } = await this.rate(3_000, inFlight);
			rows[name] = { unit: "/s", value: perSecond };
			rows[`${name}, CPU`] = { unit: "ms", value: cpu };
		}
		for (const subscribers of [1, 50]) {
			const { event, reply } = await latency(this.server, subscribers, create);
			const last = subscribers > 1 ? `the last of ${subscribers} subscribers` : "a subscriber";
			rows[`from a write to its event at ${last}, median`] = { unit: "ms", value: event };
			rows[`from a write to its reply, ${subscribers} subscribed, median`] = {
				unit: "ms",
				value: reply,
			};
		}
		const rates = [];
		const replays = await this.cpu(5, async () => {
			rates.push(await replay(this.server, began, 3_000));
		});
		rows["replay of 3,000 events, median of 5"] = { unit: "/s", value: median(rates.slice(1)) };
		rows["replay, CPU for 1,000 events"] = { ...replays, value: replays.value / 3 };
		rows["applyWrites of 100, CPU"] = await this.cpu(10, () => this.apply(100));
		rows["getRecord, CPU"] = await this.cpu(300, () =>
			get("com.atproto.repo.getRecord", { repo: did, ...some() })(),
		);
		const list = { ...of(POST), limit: "100" };
		rows["listRecords of 100, CPU"] = await this.cpu(50, get(LIST, list));
		const absent = { ...of("com.example.absent"), limit: "100" };
		rows["listRecords of an absent collection, CPU"] = await this.cpu(300, get(LIST, absent));
		rows["sync.getRecord, CPU"] = await this.cpu(300, () =>
			get("com.atproto.sync.getRecord", { did, ...some() })(),
		);
		const status = "com.atproto.server.checkAccountStatus";
		const { accessJwt } = this.session;
		rows["checkAccountStatus, CPU"] = await this.cpu(500, async () =>
			expect(await query(this.server, status, {}, accessJwt)),
		);
		let car;
		const whole = await this.cpu(3, async () => {
			car = (await get("com.atproto.sync.getRepo", { did })()).bytes;
		});
		const mebibytes = car.length / 2 ** 20;
		rows["getRepo, CPU per MiB"] = { ...whole, value: whole.value / mebibytes };
		rows["memory over that of a server asked for nothing"] = this.grown();
		await deactivate(this.server, this.session);
		const back = await this.cpu(1, () => this.import(car));
		await activate(this.server, this.session);
		rows["importRepo of the same, CPU per MiB"] = { ...back, value: back.value / mebibytes };
		rows["the same, after the import"] = this.grown();
		Object.assign(rows, await this.restart());
		return rows;
	}

	async import(car) {
		const { accessJwt } = this.session;
		const headers = {
			authorization: `Bearer ${accessJwt}`,
			"content-type": "application/vnd.ipld.car",
		};
		const url = new URL("/xrpc/com.atproto.repo.importRepo", this.server.url);
		const answer = await fetch(url, { method: "POST", headers, body: car });
		if (answer.status !== 200) {
			throw new Error(`import: ${answer.status} ${await answer.text()}\n${this.server.log()}`);
		}
	}

	/** Starts the server again and measures its first commit. */
	async restart() {
		await this.server.stop();
		await this.server.start();
		await sleep(500);
		const before = this.seconds();
		await this.create();
		const ms = (this.seconds() - before) * 1000;
		return { "the first commit after a start, CPU": { unit: "ms", value: ms } };
	}

	grown() {
		return { unit: "MiB", value: this.memory() - this.memoryAtFirst };
	}

	/** Measures the processor time of one operation, one after the other. */
	async cpu(count, operation) {
		await operation();
		const before = this.seconds();
		for (let done = 0; done < count; done += 1) await operation();
		return { unit: "ms", value: ((this.seconds() - before) * 1000) / count };
	}

	/**
	 * Measures how many records a second are made with some in flight, by a client that takes as
	 * little of the machine as it can.
	 */
	async rate(count, inFlight) {
		const agent = new http.Agent({ keepAlive: true, maxSockets: inFlight });
		const url = new URL("/xrpc/com.atproto.repo.createRecord", this.server.url);
		const headers = {
			authorization: `Bearer ${this.session.accessJwt}`,
			"content-type": "application/json",
		};
		const create = () =>
			new Promise((resolve, reject) => {
				const body = JSON.stringify(this.creation());
				const length = { "content-length": Buffer.byteLength(body) };
				const options = { agent, method: "POST", headers: { ...headers, ...length } };
				const request = http.request(url, options, (answer) => {
					if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}`));
					answer.on("end", resolve).resume();
				});
				request.on("error", reject).end(body);
			});
		const run = async (count) => {
			let left = count;
			const worker = async () => {
				while (left > 0) {
					left -= 1;
					await create();
				}
			};
			await Promise.all(Array.from({ length: inFlight }, worker));
		};
		// Connections and statements are made at the first requests.
		await run(100 + inFlight);
		const before = this.seconds();
		const start = performance.now();
		await run(count);
		const perSecond = (count * 1000) / (performance.now() - start);
		agent.destroy();
		return { perSecond, cpu: ((this.seconds() - before) * 1000) / count };
	}

	async create() {
		expect(await this.call("com.atproto.repo.createRecord", this.creation()));
	}

	/** Makes the input of one more createRecord. */
	creation() {
		const at = this.key(POST);
		return { repo: this.server.did, ...at, record: post(this.keys.length) };
	}

	async apply(count) {
		const writes = Array.from({ length: count }, () => {
			const make = [like, like, like, like, like, like, post, post, post, follow][this.below(10)];
			const value = make(this.keys.length);
			const at = this.key(value.$type);
			return { $type: "com.atproto.repo.applyWrites#create", ...at, value };
		});
		expect(await this.call("com.atproto.repo.applyWrites", { repo: this.server.did, writes }));
	}

	call(nsid, input) {
		return procedure(this.server, nsid, input, this.session.accessJwt);
	}

	/** Finds a place for one more record. */
	key(collection) {
		const at = { collection, rkey: tid(this.keys.length) };
		this.keys.push(at);
		return at;
	}

	below(limit) {
		this.random = (this.random * 1_103_515_245 + 12_345) % 2 ** 31;
		return this.random % limit;
	}

	/** The processor time of all processes of the server so far. */
	seconds() {
		return this.#stats().reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;
	}

	/** The memory of all processes of the server. */
	memory() {
		const pages = this.#stats().reduce((sum, { pages }) => sum + pages, 0);
		return (pages * 4096) / 2 ** 20;
	}

	#stats() {
		const all = readdirSync("/proc")
			.filter((name) => /^\d+$/.test(name))
			.flatMap(stat);
		const group = all.find(({ pid }) => pid === this.server.pid)?.group;
		return all.filter((process) => process.group === group);
	}
}

/** What the system says of a process, if it is still there: proc(5). */
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

function expect(answer) {
	if (answer.status !== 200) answer.expect();
	return answer;
}

function print(results) {
	const names = Object.keys(results[0].rows);
	const heads = results.map(({ host, size }) => `${host}, ${size.toLocaleString("en")}`);
	console.log(`| operation | ${heads.join(" | ")} |\n|---|${"---|".repeat(heads.length)}`);
	for (const name of names) {
		const cells = results.map(({ rows }) => {
			const { value, unit } = rows[name];
			return `${value.toPrecision(3)} ${unit}`;
		});
		console.log(`| ${name} | ${cells.join(" | ")} |`);
	}
}

/** A TID of a second of its own. */
function tid(number) {
	let bits = ((1_700_000_000_000_000n + BigInt(number) * 1_000_003n) << 10n) | 7n;
	let text = "";
	for (let digit = 0; digit < 13; digit += 1) {
		text = "234567abcdefghijklmnopqrstuvwxyz"[Number(bits & 31n)] + text;
		bits >>= 5n;
	}
	return text;
}

const post = (number) => ({
	$type: POST,
	text: `A post of some words, as people write them, and its number: ${number}`,
	langs: ["en"],
	createdAt: CREATED,
});
const like = (number) => ({
	$type: LIKE,
	subject: { cid: CID, uri: `at://did:web:b.example/${POST}/${tid(number)}` },
	createdAt: CREATED,
});
const follow = (number) => ({
	$type: FOLLOW,
	subject: `did:web:n${number}.example`,
	createdAt: CREATED,
});

const POST = "app.bsky.feed.post";
const LIKE = "app.bsky.feed.like";
const FOLLOW = "app.bsky.graph.follow";
const LIST = "com.atproto.repo.listRecords";
const CREATED = "2026-11-22T21:30:00.000Z";
const CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a";
const TICKS_PER_SECOND = 100;

const sizes = process.argv.slice(2).map(Number);
const results = [];
const starts = { native: () => Server.start("native"), workerd: startWorkerd };
for (const host of process.env.NACRE_LOAD_HOSTS.split(" ")) {
	const server = await starts[host]();
	try {
		const load = new Load(server);
		await load.begin();
		for (const size of sizes) {
			console.error(`${host}: ${size} records`);
			await load.fill(size);
			results.push({ host, size, rows: await load.measure() });
		}
	} finally {
		await server.remove();
	}
}
print(results);
