// Chapters about servers with other settings, valid and invalid.

import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Relay } from "../relay.mjs";
import { Workerd } from "../workerd.mjs";
import { COMMANDS, NOTE, QUERIES } from "./routes.mjs";
import { PASSWORD } from "./scene.mjs";

/** A server whose host name and DID contain its port. @param {import('./scene.mjs').Scene} scene */
export async function ports(scene) {
	const { did, handle } = scene.server;
	await scene.signIn();
	await scene.send("the DID document", "GET", "/.well-known/did.json");
	await scene.send("the DID of the handle", "GET", "/.well-known/atproto-did", { host: handle });
	const decoded = did.replaceAll("%3A", ":");
	const json = { collection: NOTE, rkey: "a", record: { n: 1 } };
	await scene.write("a record", "createRecord", { ...json, repo: did });
	await scene.write("a put by the DID decoded", "putRecord", { ...json, repo: decoded });
	for (const [name, text] of Object.entries({
		encoded: encodeURIComponent(did),
		"as it is": did,
		decoded: encodeURIComponent(decoded),
		"in small letters": encodeURIComponent(did.toLowerCase()),
	})) {
		await scene.sync(`the status by the DID ${name}`, "getRepoStatus", `did=${text}`);
		await scene.sync(`the head by the DID ${name}`, "getLatestCommit", `did=${text}`);
		await scene.query(
			`a record by the DID ${name}`,
			"com.atproto.repo.getRecord",
			`repo=${text}&collection=${NOTE}&rkey=a`,
		);
	}
	for (const identifier of [did, decoded]) {
		const input = { identifier, password: scene.server.password };
		await scene.procedure(
			`a sign-in by ${identifier === did ? "the DID" : "the DID decoded"}`,
			"com.atproto.server.createSession",
			input,
		);
	}
	await scene.query("the server", "com.atproto.server.describeServer");
	await scene.query("the repository", "com.atproto.repo.describeRepo", { repo: did });
	await scene.query("all repositories", "com.atproto.sync.listRepos");
	const events = await scene.subscribe(0);
	await scene.recordFrames("what was told", events, 5);
}

/** Variables that change answers. */
export async function variables(scene) {
	await scene.signIn();
	await scene.upload("before", "x".repeat(1_001), "text/plain");
	await scene.restart(() =>
		scene.editVars(
			(text) =>
				`${text.replace(/^HANDLE=.*$/m, "HANDLE=bob.test")}EMAIL=Alice@Mail.test\nBLOB_UPLOAD_LIMIT=1000\nACCEPT_IMPORTS=false\n`,
		),
	);
	await scene.query("the session", "com.atproto.server.getSession", {}, scene.owner);
	for (const identifier of [
		"alice@MAIL.test",
		"alice.test",
		"bob.test",
		"\u{2068}Alice@mail.test \n",
	]) {
		const input = { identifier, password: PASSWORD };
		await scene.procedure(
			`a sign-in by ${JSON.stringify(identifier)}`,
			"com.atproto.server.createSession",
			input,
		);
	}
	await scene.query("the server", "com.atproto.server.describeServer");
	await scene.query("the old handle", "com.atproto.identity.resolveHandle", {
		handle: "alice.test",
	});
	await scene.query("the new handle", "com.atproto.identity.resolveHandle", { handle: "bob.test" });
	await scene.query("the repository", "com.atproto.repo.describeRepo", { repo: "bob.test" });
	await scene.send("the DID of the new handle", "GET", "/.well-known/atproto-did", {
		host: "bob.test",
	});
	await scene.upload("1,000 bytes", "x".repeat(1_000), "text/plain");
	await scene.upload("1,001 bytes", "x".repeat(1_001), "text/plain");
	const headers = { "content-type": "text/plain", "transfer-encoding": "chunked" };
	const pieces = [Buffer.alloc(600, "x"), Buffer.alloc(600, "x")];
	await scene.send("1,200 bytes in chunks", "POST", "/xrpc/com.atproto.repo.uploadBlob", {
		...scene.owner,
		pieces,
		headers,
	});
	await scene.procedure("deactivate", "com.atproto.server.deactivateAccount", {}, scene.owner);
	for (const body of ["no CAR", undefined]) {
		const type = { "content-type": "application/vnd.ipld.car" };
		await scene.send(`an import of ${body}`, "POST", "/xrpc/com.atproto.repo.importRepo", {
			...scene.owner,
			body,
			headers: type,
		});
	}
	const token = await scene.variable("AUTH_TOKEN");
	await scene.send("verify", "GET", "/operator/verify", { token });
	await scene.send("emit an identity", "POST", "/operator/emit-identity", { token });
}

/** Status of relays, valid and invalid, and the requests to them. */
export async function relays(scene) {
	const seen = [];
	const wrong = {
		redirecting: (response) => response.writeHead(302, { location: "http://localhost:1/" }).end(),
		large: (response) => response.end("x".repeat(20_000)),
		refusing: (response) => response.writeHead(403).end('{"error":"HostBanned","message":"no"}'),
		chatty: (response) => response.end("I am no relay"),
	};
	const all = [];
	for (const answer of Object.values(wrong)) all.push(await Relay.start(answer));
	const good = await Relay.start();
	all.push(good);
	const listener = http.createServer(async (request, response) => {
		const body = Buffer.concat(await request.toArray()).toString();
		const { host, ...headers } = request.headers;
		// The HTTP clients of the hosts add different headers.
		const shown = Object.fromEntries(
			["accept", "content-type", "user-agent"].map((name) => [name, headers[name]]),
		);
		seen.push({ method: request.method, url: request.url, headers: shown, body });
		response.writeHead(200, { "content-type": "application/json" });
		response.end(
			request.method === "GET" ? '{"hostname":"localhost","status":"idle","seq":7}' : "",
		);
	});
	await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
	// Once the valid relay subscribes, later relays are not asked.
	const urls = [`http://127.0.0.1:${listener.address().port}`, ...all.map(({ url }) => url)];
	urls.forEach((url, index) => scene.normal.port(new URL(url).port, `relay ${index + 1}`));
	try {
		await scene.restart(() => scene.editVars((text) => `${text}RELAYS=${urls.join(",")}\n`));
		if (scene.host === "workerd") await scene.sendUnrecorded("GET", "/__test/run-due-work");
		await good.untilCrawlRequests(1, scene.server);
		await good.subscriber.count(4);
		const token = await scene.variable("AUTH_TOKEN");
		await sleep(500);
		await scene.send("relays", "GET", "/operator/relays", { token });
		await scene.send("relays again", "GET", "/operator/relays", { token });
		await scene.recordAnswer(
			"what a relay is asked",
			{ method: "relay" },
			{ body: { json: seen } },
		);
	} finally {
		for (const relay of all) await relay.stop();
		listener.closeAllConnections();
		listener.close();
	}
}

/** An account that was never active, and a reset. */
export async function inactive(scene) {
	await scene.restart(async () => {
		await deleteDatabase(scene.server);
		await scene.editVars((text) => `${text}INITIAL_ACTIVE=false\n`);
	});
	await scene.signIn();
	const token = await scene.variable("AUTH_TOKEN");
	await scene.query("all repositories", "com.atproto.sync.listRepos");
	await scene.sync("the status", "getRepoStatus");
	await scene.sync("the head", "getLatestCommit");
	await scene.query("the session", "com.atproto.server.getSession", {}, scene.owner);
	await scene.put("a write", NOTE, "a", {});
	await scene.upload("a blob", "pearl", "text/plain");
	await scene.send("reset", "POST", "/operator/reset", { token });
	await scene.query("the session after it", "com.atproto.server.getSession", {}, scene.owner);
	await scene.signIn();
	await scene.query("all repositories after it", "com.atproto.sync.listRepos");
	await scene.send("verify", "GET", "/operator/verify", { token });
	await scene.send("claim", "POST", "/operator/claim", { token });
	const events = await scene.subscribe(0);
	await scene.procedure("activate", "com.atproto.server.activateAccount", undefined, scene.owner);
	await scene.recordFrames("what was told", events, 3);
	await scene.send("reset after that", "POST", "/operator/reset", { token });
	await scene.put("a write after that", NOTE, "a", {});
}

/** A Worker whose database belongs to another account or was lost. */
export async function ownership(scene) {
	const token = await scene.variable("AUTH_TOKEN");
	await scene.signIn();
	await scene.put("a record", NOTE, "a", {});
	const every = async (name) => {
		for (const path of [
			"/",
			"/xrpc/_health",
			"/xrpc/com.example.none",
			"/nothing/here",
			"/.well-known/did.json",
		]) {
			await scene.send(`GET ${path} ${name}`, "GET", path);
		}
		for (const [nsid, { required }] of Object.entries(QUERIES)) {
			await scene.query(`${nsid} ${name}`, nsid, required, scene.owner);
		}
		await scene.put(`a write ${name}`, NOTE, "b", {});
		await scene.upload(`an upload ${name}`, "pearl", "text/plain");
		for (const [command, method] of Object.entries(COMMANDS)) {
			if (command === "claim") continue;
			await scene.send(`${command} ${name}`, method, `/operator/${command}`, { token });
		}
		await scene.send(`claim by nobody ${name}`, "POST", "/operator/claim", { token: "abc" });
	};
	await scene.restart(() =>
		scene.editVars((text) => text.replace(/^DID=.*$/m, "DID=did:web:other.test")),
	);
	await every("of another account");
	await scene.restart(async () => {
		await scene.editVars((text) => text.replace(/^DID=.*$/m, "DID=did:web:pds.test"));
		await rm(join(scene.server.folder, "state", "v3", "do"), { recursive: true });
	});
	await every("of a lost database");
	await scene.send("claim", "POST", "/operator/claim", { token });
	await scene.sync("the status then", "getRepoStatus");
	await scene.send("verify then", "GET", "/operator/verify", { token });
}

/** A Worker with a missing or malformed variable, and one without a bucket. */
export async function unconfigured(scene) {
	const folder = await mkdtemp(join(tmpdir(), "nacre-e2e-"));
	try {
		const good = await newAccount();
		for (const [name, value] of [
			["DID", undefined],
			["HANDLE", "alice"],
			["SIGNING_KEY", undefined],
			["JWT_SECRET", "short"],
			["INITIAL_ACTIVE", "yes"],
			["DATA_LOCATION", "EU"],
			["RELAYS", "not a host"],
		]) {
			const vars = new Map(good).set(name, value);
			await onWorkerd(scene, join(folder, name), vars, async (ask) => {
				const wrong = `${name} ${value ?? "missing"}`;
				await ask(`health with ${wrong}`, "GET", "/xrpc/_health");
				await ask(`a query with ${wrong}`, "GET", "/xrpc/com.atproto.server.describeServer");
				await ask(`the DID document with ${wrong}`, "GET", "/.well-known/did.json");
				await ask(`a preflight with ${wrong}`, "OPTIONS", "/xrpc/_health");
			});
		}
		await onWorkerd(scene, join(folder, "good"), good, async (ask) => {
			const token = good.get("AUTH_TOKEN");
			await ask("health", "GET", "/xrpc/_health");
			await ask("an upload without a bucket", "POST", "/xrpc/com.atproto.repo.uploadBlob", {
				token,
				body: "pearl",
				headers: { "content-type": "text/plain" },
			});
			await ask("verify without a bucket", "GET", "/operator/verify", { token });
			await ask("heal without a bucket", "POST", "/operator/heal", { token });
		});
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

/** Deletes the database of a stopped server, but not its variables. */
async function deleteDatabase({ folder }) {
	for (const name of await readdir(folder)) {
		if (name === "state" || name.startsWith("pds.sqlite")) {
			await rm(join(folder, name), { recursive: true });
		}
	}
}

/** Returns the variables of a new account, as `pds vars` prints them. */
async function newAccount() {
	const flags = ["--hostname", "pds.test", "--handle", "alice.test", "--password", "-"];
	const printed = promisify(execFile)(process.env.NACRE_PDS ?? "pds", ["vars", ...flags]);
	printed.child.stdin.end(`${PASSWORD}\n`);
	const { stdout } = await printed;
	const lines = stdout.trim().split("\n");
	return new Map(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

/** Runs the Worker with these variables during `use`. */
async function onWorkerd(scene, folder, vars, use) {
	const program = fileURLToPath(new URL("../node_modules/.bin/workerd", import.meta.url));
	const server = await Workerd.start({ folder, modules: MODULES, vars, program });
	scene.server = server;
	scene.normal.name(folder, "folder");
	scene.normal.name(vars.get("AUTH_TOKEN"), "operator's token");
	scene.normal.name(vars.get("SIGNING_KEY_PUBLIC"), "key");
	try {
		await use((name, method, path, options) => scene.send(name, method, path, options));
	} finally {
		await server.stop();
	}
}

/** The folder of the Worker that `cargo xtask worker --test-routes` builds. */
const MODULES =
	process.env.NACRE_MODULES ??
	fileURLToPath(new URL("../../pds-worker/build-test", import.meta.url));
