// Repositories as other servers export them, built with third-party libraries.

import { encode, toBytes, toCidLink } from "@atcute/cbor";
import * as CID from "@atcute/cid";
import { Secp256k1PrivateKeyExportable } from "@atcute/crypto";
import { MemoryBlockStore, NodeStore, NodeWrangler } from "@atcute/mst";

/**
 * Builds the CAR of a repository with these records, as bytes by path. It is signed with a new key,
 * like one from another server.
 *
 * @param {string} did
 * @param {Record<string, Uint8Array>} records
 * @param {{ version?: number, prev?: string, rev?: string | null }} options a `rev` of null leaves
 *   it out, as commits of version 2 may
 */
export async function repositoryOf(did, records, { version = 3, prev, rev = OLD_REV } = {}) {
	const store = new MemoryBlockStore();
	const wrangler = new NodeWrangler(new NodeStore(store));
	/** @type {Map<string, Uint8Array>} */
	const blocks = new Map();
	let root = null;
	for (const [path, bytes] of Object.entries(records)) {
		const cid = await cidOf(bytes);
		blocks.set(cid, bytes);
		root = await wrangler.putRecord(root, path, { $link: cid });
	}
	const link = (text) => toCidLink(CID.fromString(text));
	const commit = { did, version, data: link(root), prev: prev ? link(prev) : null };
	if (rev !== null) commit.rev = rev;
	const key = await Secp256k1PrivateKeyExportable.createKeypair();
	commit.sig = toBytes(await key.sign(encode(commit)));
	const block = encode(commit);
	const head = await cidOf(block);
	const all = [[head, block], ...reachable(store.blocks, root), ...blocks];
	return { car: carOf(head, all), head, data: root, rev, blocks: all };
}

/** Writes blocks as a CAR. @param {string} root @param {Iterable<[string, Uint8Array]>} blocks */
export function carOf(root, blocks) {
	const header = encode({ roots: [toCidLink(CID.fromString(root))], version: 1 });
	const pieces = [varint(header.length), header];
	for (const [cid, bytes] of blocks) {
		const { bytes: prefix } = CID.fromString(cid);
		pieces.push(varint(prefix.length + bytes.length), prefix, bytes);
	}
	return Buffer.concat(pieces);
}

/** Returns the bytes of a map of entries in hexadecimal, which may be an invalid record. */
export const hex = (text) => Buffer.from(text.replaceAll(" ", ""), "hex");

async function cidOf(bytes) {
	return CID.toString(await CID.create(CID.CODEC_DCBOR, bytes));
}

/** Returns the nodes of the last tree. The store also has those of earlier trees. */
function reachable(blocks, root) {
	const nodes = [];
	const visit = (cid) => {
		const bytes = blocks.get(cid);
		if (!bytes) return;
		nodes.push([cid, bytes]);
		const text = Buffer.from(bytes).toString("latin1");
		for (const other of blocks.keys()) {
			const link = Buffer.from(CID.fromString(other).bytes).toString("latin1");
			if (text.includes(link)) visit(other);
		}
	};
	visit(root);
	return nodes;
}

function varint(value) {
	const bytes = [];
	for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
	return Buffer.from([...bytes, value]);
}

/** The rev of a commit from June 2023. */
const OLD_REV = "3jzfcijpj2z2a";
