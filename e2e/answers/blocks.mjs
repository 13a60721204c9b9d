// Decodes CARs and event frames for a recording.

import { fromUint8Array } from "@atcute/car";
import { decode, decodeFirst, encode, fromBytes } from "@atcute/cbor";
import * as CID from "@atcute/cid";
import { verifySigWithDidKey } from "@atcute/crypto";

import { digest } from "./normal.mjs";

/**
 * Returns the blocks of a CAR in order. Records are shown only as CIDs, which identify their content.
 * Tree nodes are left out if keys are generated, because they differ from run to run.
 *
 * @param {Uint8Array} bytes
 * @param {import('./normal.mjs').Normaliser} normal
 * @param {string} publicKey the did:key of commits
 */
export async function car(bytes, normal, publicKey) {
	try {
		const reader = fromUint8Array(bytes);
		const roots = reader.roots.map(({ $link }) => $link);
		const blocks = [];
		for (const entry of reader) {
			blocks.push(await block(CID.toString(entry.cid), entry.bytes, normal, publicKey));
		}
		return { roots, blocks: blocks.filter(({ node }) => !(node && normal.hidesTrees)) };
	} catch (error) {
		return { malformed: error.message, bytes: Buffer.from(bytes).toString("hex").slice(0, 400) };
	}
}

/** Returns the header and the body of an event frame. */
export async function frame(bytes, normal, publicKey) {
	const [header, rest] = decodeFirst(bytes);
	const body = decode(rest);
	const isCanonical = Buffer.concat([encode(header), encode(body)]).equals(bytes);
	const blocks = body.blocks && (await car(fromBytes(body.blocks), normal, publicKey));
	const plain = plainOf(body);
	if (plain.commit) normal.hide(plain.commit.$link, "commit");
	if (plain.prevData && normal.hidesTrees) normal.hide(plain.prevData.$link, "node");
	return { header: plainOf(header), body: { ...plain, ...(blocks && { blocks }) }, isCanonical };
}

async function block(cid, bytes, normal, publicKey) {
	const isIntact = CID.toString(await CID.create(CID.fromString(cid).codec, bytes)) === cid;
	const size = { ...(isIntact ? {} : { isIntact }), bytes: bytes.length };
	const value = cid.startsWith("bafk") ? undefined : tryDecode(bytes);
	if (value?.sig && value.data) {
		normal.hide(cid, "commit");
		const { sig, ...unsigned } = value;
		if (normal.hidesTrees) normal.hide(value.data.$link, "node");
		const isSigned = await verifySigWithDidKey(publicKey, fromBytes(sig), encode(unsigned)).catch(
			() => false,
		);
		const isCanonical = Buffer.from(encode(value)).equals(bytes);
		return { cid, commit: plainOf(unsigned), isSigned, isCanonical };
	}
	if (Array.isArray(value?.e) && "l" in value) {
		if (normal.hidesTrees) normal.hide(cid, "node");
		return { cid, ...size, node: entries(value) };
	}
	return { cid, ...size };
}

/** Returns the entries of a tree node: subtrees, and keys with the CIDs of their records. */
function entries({ l, e }) {
	const found = l ? [l.$link] : [];
	let key = "";
	for (const { p, k, v, t } of e) {
		key = key.slice(0, p) + Buffer.from(fromBytes(k)).toString();
		found.push(`${key.length > 80 ? digest(Buffer.from(key)) : key} ${v.$link}`);
		if (t) found.push(t.$link);
	}
	return found;
}

function tryDecode(bytes) {
	try {
		return decode(bytes);
	} catch {
		return undefined;
	}
}

/** Returns a value as plain JSON, with links and bytes in their JSON form. */
function plainOf(value) {
	return JSON.parse(JSON.stringify(value));
}
