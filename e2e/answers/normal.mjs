// Replaces values that differ from run to run with placeholders. Equal values have the same placeholder
// throughout a chapter.

import { createHash, createHmac } from "node:crypto";

/** The placeholders of a chapter, in the order in which their values were first seen. */
export class Normaliser {
	/** Whether the CIDs of tree nodes are placeholders too. Generated keys require this. */
	hidesTrees = false;

	#seen = new Map();
	#counts = new Map();
	/** Plain strings and their placeholders. @type {Map<string, string>} */ #named = new Map();
	#ports = new Map();
	#secret;
	#beganMs = Date.now();

	/** Forgets all values. */
	reset({ hidesTrees = false } = {}) {
		this.hidesTrees = hidesTrees;
		for (const known of [this.#seen, this.#counts, this.#named, this.#ports]) known.clear();
	}

	/** Adds the random values of a server, such as its port and key. */
	addServer({ url, folder, publicKey, secret }) {
		this.#ports.set(new URL(url).port, "port");
		this.name(folder, "folder");
		if (publicKey) this.name(publicKey.replace("did:key:", ""), "key");
		this.#secret = secret;
	}

	/** Names a string that differs from run to run. */
	name(text, label) {
		this.#named.set(text, `<${label}>`);
	}

	/** Names the port of another server of the scenario. */
	port(port, label) {
		this.#ports.set(String(port), label);
	}

	/** Replaces a CID with a placeholder of this kind from now on. */
	hide(cid, kind) {
		this.#placeholder(cid, kind);
	}

	/** Returns a JSON value with placeholders. */
	value(value) {
		if (typeof value === "string") return this.#string(value);
		if (typeof value === "number") return this.#number(value);
		if (Array.isArray(value)) return value.map((item) => this.value(item));
		if (value === null || typeof value !== "object") return value;
		return Object.fromEntries(
			Object.entries(value).map(([name, item]) => [this.text(name), this.value(item)]),
		);
	}

	/** Returns a text with placeholders. */
	text(text) {
		for (const [random, placeholder] of this.#named) text = text.replaceAll(random, placeholder);
		return text
			.replace(TOKEN, (token) => this.#tokenName(token))
			.replace(PORT, (whole, host, colon, port) => {
				const label = this.#ports.get(port);
				return label ? `${host}${colon}<${label}>` : whole;
			})
			.replace(TIME, (whole, seconds, rest) =>
				this.#isRecent(Date.parse(`${seconds}Z`)) ? `<time>${rest.replace(/\d/g, "0")}` : whole,
			)
			.replace(TID, (tid) => (this.#isRecent(timeOf(tid)) ? this.#placeholder(tid, "tid") : tid))
			.replace(CID, (cid) => this.#seen.get(cid) ?? cid)
			.replace(MILLISECONDS, (number) => this.#number(Number(number)));
	}

	#string(text) {
		if (TOKEN_ONLY.test(text)) return this.#token(text);
		const plain = this.text(text);
		return plain.length > MAX_CHARS ? digest(Buffer.from(plain)) : plain;
	}

	#number(number) {
		return number > 1e12 && this.#isRecent(number) ? this.#placeholder(number, "seq") : number;
	}

	/** Returns the header and claims of a token, and whether it is signed. */
	#token(token) {
		const { header, claims } = parts(token);
		const { iat, exp, sid, jti } = claims;
		if (this.#isRecent(iat * 1000)) {
			claims.iat = "<now>";
			claims.exp = `<now + ${exp - iat}>`;
		}
		if (sid) claims.sid = this.#placeholder(sid, "sid");
		if (jti) claims.jti = this.#placeholder(jti, "jti");
		const [signed] = /.*(?=\.)/.exec(token);
		const tag = createHmac("sha256", this.#secret).update(signed).digest("base64url");
		return { header, claims: this.value(claims), signed: token === `${signed}.${tag}` };
	}

	/** Returns a short name for a token inside a text. */
	#tokenName(token) {
		try {
			const { header, claims } = parts(token);
			const id = claims.sid
				? this.#placeholder(claims.sid, "sid")
				: claims.jti
					? this.#placeholder(claims.jti, "jti")
					: "";
			return `<${header.typ} ${id}>`;
		} catch {
			return "<token>";
		}
	}

	#placeholder(value, kind) {
		const known = this.#seen.get(value);
		if (known) return known;
		const count = (this.#counts.get(kind) ?? 0) + 1;
		this.#counts.set(kind, count);
		// The number of nodes in a tree depends on its keys.
		const placeholder = kind === "node" ? "<node>" : `<${kind}:${count}>`;
		this.#seen.set(value, placeholder);
		return placeholder;
	}

	#isRecent(ms) {
		return Math.abs(ms - this.#beganMs) < DAY_MS;
	}
}

/** Returns the header and the claims of a JWT. */
function parts(token) {
	const [header, claims] = token
		.split(".")
		.slice(0, 2)
		.map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
	return { header, claims };
}

/** Returns the time of a TID in milliseconds. */
function timeOf(tid) {
	let value = 0n;
	for (const character of tid) value = value * 32n + BigInt(TID_DIGITS.indexOf(character));
	return Number((value >> 10n) / 1000n);
}

/** Returns the length of bytes and the start of their hash. */
export function digest(bytes) {
	const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
	return `${bytes.length} bytes, sha256 ${hash}…`;
}

/** The longest text that is not replaced by its digest. */
const MAX_CHARS = 1_000;
const DAY_MS = 86_400_000;
const TID_DIGITS = "234567abcdefghijklmnopqrstuvwxyz";
const TID = /(?<![0-9A-Za-z])[2-7a-j][2-7a-z]{12}(?![0-9A-Za-z])/g;
const CID = /baf[ky][a-z2-7]{55}/g;
const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]*/g;
const TOKEN_ONLY = /^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$/;
const TIME = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)((?:\.\d+)?Z)/g;
const PORT = /(localhost|127\.0\.0\.1|\[::1\])(:|%3A|%253A|%253a)(\d{2,5})/g;
const MILLISECONDS = /(?<![0-9A-Za-z])1\d{12}(?![0-9A-Za-z])/g;
