// How many instructions a createRecord takes on the native host, counted by valgrind. The clock of
// the machine does not matter, so builds can be compared that were measured at different times.
//
//     node benches/load/instructions.mjs target/release/pds
//
// Takes two runs of the server, one with more writes than the other, and divides the difference.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { procedure, signIn } from "../../e2e/xrpc.mjs";

const FEW = 10;
const MANY = 410;
const program = process.argv[2] ?? "target/release/pds";

const few = await instructions(FEW);
const many = await instructions(MANY);
console.log(`${Math.round((many - few) / (MANY - FEW))} instructions per createRecord`);
process.exit();

/** Starts a server, writes so many posts, and returns what the whole process took. */
async function instructions(writes) {
	const folder = mkdtempSync(join(tmpdir(), "nacre-instructions-"));
	const flags = ["--tool=callgrind", "--callgrind-out-file=/dev/null", program];
	const server = spawn("valgrind", [...flags, "dev", "--dir", folder, "--port", "0", "--json"]);
	let said = "";
	server.stderr.setEncoding("utf8").on("data", (text) => (said += text));
	try {
		const [line] = await once(createInterface({ input: server.stdout }), "line");
		const card = JSON.parse(line);
		const { accessJwt } = await signIn(card);
		for (let number = 0; number < writes; number++) {
			const record = { text: `post ${number}`, createdAt: "2026-01-01T00:00:00.000Z" };
			const input = { repo: card.did, collection: "app.bsky.feed.post", record };
			const answer = await procedure(card, "com.atproto.repo.createRecord", input, accessJwt);
			answer.expect();
		}
		server.kill("SIGTERM");
		await once(server, "close");
		return Number(/Collected : (\d+)/.exec(said)[1]);
	} finally {
		server.kill("SIGKILL");
		rmSync(folder, { recursive: true, force: true });
	}
}
