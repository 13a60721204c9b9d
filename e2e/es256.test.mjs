// The Worker verifies ES256 signatures with WebCrypto. Its verdicts are those of the hosts that verify in
// Rust, which `pds/tests/es256.rs` checks with the same vectors.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { onEachHost } from "./hosts.mjs";
import { send } from "./xrpc.mjs";

onEachHost(
	"ES256",
	(server) => {
		test("vectors have their results", async () => {
			const file = new URL("../pds/tests/es256.json", import.meta.url);
			const rows = JSON.parse(await readFile(file, "utf8"));
			assert.ok(rows.length > 50);
			for (const { comment, key, message, signature, result } of rows) {
				const answer = await send(server(), `/__test/es256?${key}&${message}&${signature}`);
				assert.equal(answer.status, 200, comment);
				assert.equal(new TextDecoder().decode(answer.bytes), result, comment);
			}
		});
	},
	{ only: "workerd" },
);
