// Random histories of a tree, made by the example `history` of `nacre-mst` and repeated with
// third-party trees, which must have the same roots, nodes, differences and proofs. Each commit is also
// reverted with its proof alone.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import * as atcuteCid from "@atcute/cid";
import { MemoryBlockStore, NodeStore, NodeWrangler, mstDiff } from "@atcute/mst";
import { decode } from "@atproto/lex-cbor";
import { BlockMap, DataDiff, MST, MemoryBlockstore } from "@atproto/repo";

const HISTORIES = 200;
const SEED = process.env.NACRE_E2E_SEED ?? "1";
const EMPTY = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";

/** The histories, each a list of commits. */
const histories = (() => {
	const [program, ...first] = process.env.NACRE_HISTORY
		? [process.env.NACRE_HISTORY]
		: ["cargo", "run", "--quiet", "--package", "nacre-mst", "--example", "history", "--"];
	const text = execFileSync(program, [...first, SEED, String(HISTORIES)], {
		encoding: "utf8",
		maxBuffer: 64 * 1024 * 1024,
	});
	const lines = text.trimEnd().split("\n");
	const commits = lines.map((line) => JSON.parse(line));
	return [...Map.groupBy(commits, ({ history }) => history).values()];
})();

test("@atproto/repo builds the same trees from each history", async () => {
	assert.equal(histories.length, HISTORIES);
	for (const commits of histories) {
		const storage = new MemoryBlockstore();
		const trees = [await MST.create(storage)];
		for (const commit of commits) {
			const where = `seed ${SEED}, history ${commit.history}, commit ${commit.commit}`;
			const before = trees.at(-1);
			const undo = [];
			let tree = before;
			for (const [key, value] of commit.writes) {
				const prev = await tree.get(key);
				undo.unshift([key, prev]);
				tree = await write(tree, key, prev, value && link(value));
			}
			const root = await tree.getPointer();
			assert.equal(String(root), commit.root, `root, ${where}`);

			const step = await DataDiff.of(tree, before);
			assert.deepEqual(nodes(step.newMstBlocks.cids()), full(commit.new), `new, ${where}`);
			const records = new Set(undo.map(([, prev]) => String(prev)));
			const retired = nodes(step.removedCids.toList()).filter((cid) => !records.has(cid));
			assert.deepEqual(retired, full(commit.retired), `retired, ${where}`);
			const since = trees[commit.since === null ? 0 : commit.since + 1];
			assert.deepEqual(changes(await DataDiff.of(tree, since)), commit.diff, `diff, ${where}`);

			const proof = new BlockMap();
			for (const [key] of commit.writes) proof.addMap(await tree.getCoveringProof(key));
			assert.deepEqual(sorted(proof.cids()), commit.proof, `proof, ${where}`);
			let undone = MST.load(new MemoryBlockstore(proof), root);
			for (const [key, prev] of undo) {
				undone = await write(undone, key, await undone.get(key), prev);
			}
			const pointers = [await undone.getPointer(), await before.getPointer()];
			assert.equal(...pointers.map(String), `undone, ${where}`);
			trees.push(tree);
		}
	}
});

test("@atcute/mst builds the same trees from each history", async () => {
	for (const commits of histories) {
		const store = new NodeStore(new MemoryBlockStore(new Map()));
		const wrangler = new NodeWrangler(store);
		let root = await wrangler.deleteRecord(null, "a/a");
		assert.equal(root, EMPTY);
		for (const commit of commits) {
			const where = `seed ${SEED}, history ${commit.history}, commit ${commit.commit}`;
			const before = root;
			for (const [key, value] of commit.writes) {
				if (value === null) root = await wrangler.deleteRecord(root, key);
				else root = await wrangler.putRecord(root, key, { $link: value });
			}
			assert.equal(root, commit.root, `root, ${where}`);
			const [created, deleted] = await mstDiff(store, before, root);
			assert.deepEqual(nodes(created), full(commit.new), `new, ${where}`);
			assert.deepEqual(nodes(deleted), full(commit.retired), `retired, ${where}`);
		}
	}
});

/** Sets a key of a tree of `@atproto/repo` to a record, or deletes it if `value` is null. */
async function write(tree, key, prev, value) {
	if (value !== null) return prev ? tree.update(key, value) : tree.add(key, value);
	if (!prev) return tree;
	const rest = await tree.delete(key);
	// An emptied tree keeps its height, and keys added to it end up too low.
	return (await rest.getEntries()).length === 0 ? MST.create(tree.storage) : rest;
}

/** Returns a CID of the type that `@atproto/repo` uses. Decoding CBOR avoids importing that type. */
function link(text) {
	return decode(Uint8Array.of(0xd8, 0x2a, 0x58, 0x25, 0x00, ...atcuteCid.fromString(text).bytes));
}

/** Returns the record changes in a difference of `@atproto/repo`, in the form of a history. */
function changes(diff) {
	const list = [
		...diff.addList().map(({ key, cid }) => [key, null, String(cid)]),
		...diff.updateList().map(({ key, prev, cid }) => [key, String(prev), String(cid)]),
		...diff.deleteList().map(({ key, cid }) => [key, String(cid), null]),
	];
	return list.sort(([left], [right]) => (left < right ? -1 : 1));
}

function sorted(cids) {
	return [...cids].map(String).sort();
}

/** Returns the nodes except that of the empty tree, which some implementations do not store. */
function nodes(cids) {
	return full(sorted(cids));
}

function full(cids) {
	return cids.filter((cid) => cid !== EMPTY);
}
