// A consumer's verification of a `#commit`, each step with a third-party library.

import assert from "node:assert/strict";

import { fromUint8Array } from "@atcute/car";
import * as atcuteCid from "@atcute/cid";
import { MemoryBlockStore, NodeStore, NodeWrangler } from "@atcute/mst";
import { MemoryBlockstore, MST, def, readCarWithRoot, verifyProofs } from "@atproto/repo";

/**
 * Verifies a commit by itself: its signature, the proofs of its operations, and that undoing them
 * gives the root of the previous tree.
 *
 * @param {import('./hosts.mjs').Server} server
 * @param {any} event
 */
export async function verifyCommit(server, event) {
	const claims = event.ops.map(({ action, path, cid }) => {
		const [collection, rkey] = path.split("/");
		return { collection, rkey, cid: action === "delete" ? null : cid };
	});
	const proved = await verifyProofs(event.blocks, claims, server.did, server.publicKey);
	assert.deepEqual(proved.unverified, []);

	const { root, blocks } = await readCarWithRoot(event.blocks);
	assert.equal(String(root), String(event.commit));
	const store = new MemoryBlockstore(blocks);
	const commit = await store.readObj(root, def.commit);
	assert.equal(commit.rev, event.rev);
	if (!event.prevData) return;
	assert.equal(await invert(store, commit.data, event.ops), String(event.prevData));
	assert.equal(await invertAgain(event, String(commit.data)), String(event.prevData));
}

/** Reverts operations with `@atproto/repo`. */
async function invert(store, data, ops) {
	let tree = MST.load(store, data);
	for (const { action, path, prev } of ops.toReversed()) {
		if (action === "create") tree = await tree.delete(path);
		else if (action === "update") tree = await tree.update(path, prev);
		else tree = await tree.add(path, prev);
	}
	return String(await tree.getPointer());
}

/** Reverts operations with `@atcute/mst`. */
async function invertAgain(event, data) {
	const blocks = new Map();
	for (const { cid, bytes } of fromUint8Array(event.blocks)) {
		blocks.set(atcuteCid.toString(cid), bytes);
	}
	const wrangler = new NodeWrangler(new NodeStore(new MemoryBlockStore(blocks)));
	let root = data;
	for (const { action, path, prev } of event.ops.toReversed()) {
		if (action === "create") root = await wrangler.deleteRecord(root, path);
		else root = await wrangler.putRecord(root, path, { $link: String(prev) });
	}
	return root;
}
