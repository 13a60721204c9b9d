// Drives a server over loopback and prints what its operations cost: processor time of the server's
// processes per operation, which does not depend on who else uses the machine, and what a client
// waits for, which does.
//
//     cargo xtask load [records]…

import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

import { Server } from "../../e2e/hosts.mjs";
import { liveMemory } from "../../e2e/inspector.mjs";
import { Workerd } from "../../e2e/workerd.mjs";
import { activate, deactivate, procedure, query, signIn } from "../../e2e/xrpc.mjs";
import { compare, table } from "./platform.mjs";
import { cpuMs, cpuSeconds, residentMebibytes } from "./processes.mjs";
import { frameBytes, latency, median, replay } from "./stream.mjs";
import { HOSTNAME, startWorkerd } from "./workerd.mjs";

/** The load of one server, which has no records yet. */
class Load {
	/** Where each record is. */
	keys = [];
	random = 1;

	constructor(server, startAnother) {
		this.server = server;
		this.startAnother = startAnother;
	}

	async begin() {
		this.session = await signIn(this.server);
		// workerd lets its memory grow to some size whatever it is asked.
		for (let done = 0; done < 12_000; done += 1) {
			expect(await query(this.server, "com.atproto.server.describeServer"));
		}
		this.memoryAtFirst = residentMebibytes(this.server);
	}

	/** Adds likes, posts and follows until there are so many records. */
	async fill(size) {
		while (this.keys.length < size) await this.apply(Math.min(200, size - this.keys.length));
	}

	async measure() {
		const { did } = this.server;
		const get = (nsid, params) => async () => expect(await query(this.server, nsid, params));
		const some = () => this.some();
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
			rates.push((await replay(this.server, began, 3_000)).perSecond);
		});
		rows["replay of 3,000 events, median of 5"] = { unit: "/s", value: median(rates.slice(1)) };
		rows["replay, CPU for 1,000 events"] = { ...replays, value: replays.value / 3 };
		Object.assign(rows, await this.largeReplay());
		rows["applyWrites of 100, CPU"] = await this.cpu(10, () => this.apply(100));
		rows["getRecord, CPU"] = await this.cpu(300, () => this.read());
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
		rows["importRepo into a fresh server, CPU per MiB"] = await this.importElsewhere(car);
		if (this.server instanceof Workerd) Object.assign(rows, await this.live());
		Object.assign(rows, await this.restart());
		return rows;
	}

	/** Measures a replay of a thousand events of about 4 KiB each. */
	async largeReplay() {
		const write = async (length) => {
			const input = { repo: this.server.did, ...this.key(LARGE) };
			input.record = { text: "x".repeat(length) };
			expect(await this.call("com.atproto.repo.createRecord", input));
		};
		// An event also has the record's proof, which grows with the repository.
		const proof = await frameBytes(this.server, () => write(0));
		// Sequence numbers are times, or later if there were many events.
		await sleep(5_000);
		const began = Date.now();
		for (let done = 0; done < 1_000; done += 1) await write(Math.max(LARGE_BYTES - proof, 0));
		let bytes;
		const replays = await this.cpu(20, async () => {
			({ bytes } = await replay(this.server, began, 1_000));
		});
		return {
			"replay, CPU for 1,000 events of 4 KiB": replays,
			"their mean size": { unit: "KiB", value: bytes / 1024 },
		};
	}

	/** Measures the import of a repository by a server that has done nothing else. */
	async importElsewhere(car) {
		const server = await this.startAnother();
		try {
			const other = new Load(server);
			other.session = await signIn(server);
			await deactivate(server, other.session);
			const ms = await cpuMs(server, () => other.import(car));
			return { unit: "ms", value: ms / (car.length / 2 ** 20) };
		} finally {
			await server.remove();
		}
	}

	/** Measures what the isolate of the Worker holds after the work of readers. */
	async live() {
		await this.server.stop();
		await this.server.start({ inspects: true });
		const began = Date.now();
		for (let done = 0; done < 1_000; done += 1) await this.create();
		const { did } = this.server;
		for (let done = 0; done < 4; done += 1) {
			expect(await query(this.server, "com.atproto.sync.getRepo", { did }));
		}
		for (let done = 0; done < 20; done += 1) await replay(this.server, began, 1_000);
		const { objects, buffers, code } = await liveMemory(this.server);
		const mebibytes = (bytes) => ({ unit: "MiB", value: bytes / 2 ** 20 });
		return {
			"live memory after 1,000 writes, 4 exports, 20 replays": mebibytes(objects + buffers),
			"compiled code in memory": mebibytes(code),
		};
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

	/** Starts the server again, several times, and measures its first read and its first commit. */
	async restart() {
		const [reads, writes] = [[], []];
		let writesCpuMs = 0;
		for (let count = 0; count < STARTS; count += 1) {
			await this.server.stop();
			await this.server.start();
			await sleep(500);
			reads.push(await wallMs(() => this.latest()));
			writesCpuMs += await cpuMs(this.server, async () => {
				writes.push(await wallMs(() => this.create()));
			});
		}
		const middle = (values) => ({ unit: "ms", value: median(values) });
		return {
			"the first read after a start, wall, median of 5": middle(reads),
			"the first commit after a start, wall, median of 5": middle(writes),
			"the first commit after a start, CPU, mean of 5": { unit: "ms", value: writesCpuMs / STARTS },
		};
	}

	grown() {
		return { unit: "MiB", value: residentMebibytes(this.server) - this.memoryAtFirst };
	}

	/** Measures the processor time of one operation, one after the other. */
	async cpu(count, operation) {
		await operation();
		const ms = await cpuMs(this.server, async () => {
			for (let done = 0; done < count; done += 1) await operation();
		});
		return { unit: "ms", value: ms / count };
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
		const before = cpuSeconds(this.server);
		const start = performance.now();
		await run(count);
		const perSecond = (count * 1000) / (performance.now() - start);
		agent.destroy();
		return { perSecond, cpu: ((cpuSeconds(this.server) - before) * 1000) / count };
	}

	async create() {
		expect(await this.call("com.atproto.repo.createRecord", this.creation()));
	}

	async latest() {
		const { did } = this.server;
		expect(await query(this.server, "com.atproto.sync.getLatestCommit", { did }));
	}

	async read() {
		const params = { repo: this.server.did, ...this.some() };
		expect(await query(this.server, "com.atproto.repo.getRecord", params));
	}

	async describe() {
		const params = { repo: this.server.did };
		expect(await query(this.server, "com.atproto.repo.describeRepo", params));
	}

	/** Returns the place of a random record. */
	some() {
		return this.keys[this.below(this.keys.length)];
	}

	/** Returns an input of createRecord that is never sent. */
	sample() {
		return { repo: this.server.did, collection: POST, rkey: tid(0), record: post(0) };
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
}

async function wallMs(operation) {
	const start = performance.now();
	await operation();
	return performance.now() - start;
}

function expect(answer) {
	if (answer.status !== 200) answer.expect();
	return answer;
}

function print(results) {
	const names = [...new Set(results.flatMap(({ rows }) => Object.keys(rows)))];
	const heads = results.map(({ host, size }) => `${host}, ${size.toLocaleString("en")}`);
	console.log(`| operation | ${heads.join(" | ")} |\n|---|${"---|".repeat(heads.length)}`);
	for (const name of names) {
		const cells = results.map(({ rows }) => {
			if (!rows[name]) return "–";
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
const LARGE = "com.example.large";
const LIST = "com.atproto.repo.listRecords";
const CREATED = "2026-11-22T21:30:00.000Z";
const CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a";
/** The size of a large event. */
const LARGE_BYTES = 4096;
const STARTS = 5;

const sizes = process.argv.slice(2).map(Number);
const results = [];
const comparisons = [];
const starts = {
	native: () => Server.start("native", ["--hostname", HOSTNAME]),
	workerd: startWorkerd,
};
for (const host of process.env.NACRE_LOAD_HOSTS.split(" ")) {
	const server = await starts[host]();
	try {
		const load = new Load(server, starts[host]);
		await load.begin();
		for (const size of sizes) {
			console.error(`${host}: ${size} records`);
			await load.fill(size);
			if (host === "workerd") comparisons.push({ size, rows: await compare(load) });
			results.push({ host, size, rows: await load.measure() });
		}
	} finally {
		await server.remove();
	}
}
print(results);
if (comparisons.length > 0) console.log(`\n${table(comparisons)}`);
