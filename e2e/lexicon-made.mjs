// Generated records that match their schemas except in one place, and values of the data model.

/** @typedef {{ holder: any, key: string | number, def: any, id: string }} Place A value in a record. */

export class Maker {
	#defs = new Map();
	#random;
	/** @type {Place[]} */
	#places = [];

	/** @param {any[]} documents @param {import("./random.mjs").Random} random */
	constructor(documents, random) {
		this.#random = random;
		for (const { id, defs } of documents) {
			for (const [name, def] of Object.entries(defs)) {
				this.#defs.set(name === "main" ? id : `${id}#${name}`, { def, id });
			}
		}
	}

	/**
	 * Makes a record of a collection as JSON. `changed` describes the change that may violate the
	 * schema, if any.
	 * @param {string} collection
	 */
	record(collection) {
		this.#places = [];
		const { def, id } = this.#defs.get(collection);
		const record = { $type: collection, ...this.#object(def.record, id, 0) };
		// The first object has become a copy.
		for (const place of this.#places) if (place.depth === 0) place.holder = record;
		let changed;
		if (this.#places.length > 0 && this.#random.below(10) < 7) changed = this.#change();
		return { json: JSON.stringify(record), changed };
	}

	#some(limit) {
		return this.#random.below(limit) === 0;
	}

	#object(def, id, depth) {
		const object = {};
		for (const [key, of] of Object.entries(def.properties ?? {})) {
			const needed = def.required?.includes(key);
			if (!needed && (depth > 6 || !this.#some(2))) continue;
			if (def.nullable?.includes(key) && this.#some(6)) {
				object[key] = null;
				continue;
			}
			object[key] = this.#make(of, id, depth + 1);
			this.#places.push({ holder: object, key, def: of, id, depth });
		}
		return object;
	}

	#named(reference, id) {
		const name = reference.startsWith("#") ? `${id}${reference}` : reference;
		return this.#defs.get(name.endsWith("#main") ? name.slice(0, -5) : name);
	}

	#make(def, id, depth) {
		switch (def.type) {
			case "array":
				return this.#array(def, id, depth);
			case "blob":
				return this.#blob(def);
			case "boolean":
				return def.const ?? this.#some(2);
			case "bytes":
				return bytes(this.#between(def.minLength ?? 0, def.maxLength ?? 40));
			case "cid-link":
				return { $link: this.#random.pick(CIDS) };
			case "integer":
				if (def.const !== undefined) return def.const;
				if (def.enum) return this.#random.pick(def.enum);
				return this.#between(def.minimum ?? -1000, def.maximum ?? 100_000);
			case "object":
				return this.#object(def, id, depth);
			case "ref": {
				const named = this.#named(def.ref, id);
				return this.#make(named.def, named.id, depth);
			}
			case "string":
				return this.#string(def);
			case "union":
				return this.#union(def, id, depth);
			case "unknown":
				return { any: this.#random.below(9) };
			default:
				throw new Error(`no values of type ${def.type}`);
		}
	}

	#between(least, most) {
		return this.#random.pick([least, most, least + this.#random.below(most - least + 1)]);
	}

	#array(def, id, depth) {
		const least = def.minLength ?? 0;
		const most = Math.min(def.maxLength ?? 3, least + 5);
		const array = [];
		for (let left = this.#between(least, most); left > 0; left -= 1) {
			array.push(this.#make(def.items, id, depth + 1));
			this.#places.push({ holder: array, key: array.length - 1, def: def.items, id });
		}
		return array;
	}

	#blob(def) {
		const type = this.#random.pick(def.accept ?? ["text/plain"]);
		const mimeType = type === "*/*" ? "text/plain" : type.replace("*", "png");
		return blob(mimeType, this.#between(0, def.maxSize ?? 1_000_000));
	}

	#string(def) {
		if (def.const !== undefined) return def.const;
		if (def.enum) return this.#random.pick(def.enum);
		if (def.format) return this.#random.pick(VALID[def.format]);
		if (def.knownValues && this.#some(2)) return this.#random.pick(def.knownValues);
		const most = Math.min(def.maxGraphemes ?? 400, 400);
		return this.#text(this.#between(def.minGraphemes ?? 0, most), def.minLength, def.maxLength);
	}

	/** Makes text of this many grapheme clusters, or of as many as fit in `most` bytes. */
	#text(clusters, least = 0, most = 5_000) {
		let [text, length] = ["", 0];
		for (let count = 0; count < clusters || length < least; count += 1) {
			let piece = this.#random.pick(PIECES);
			if (length + Buffer.byteLength(piece) > most) piece = "x";
			if (length + 1 > most) break;
			text += piece;
			length += Buffer.byteLength(piece);
		}
		return text;
	}

	#union(def, id, depth) {
		const refs = def.refs.filter((ref) => {
			const named = this.#named(ref, id);
			return named?.def.type === "object" || named?.def.type === "record";
		});
		if (refs.length === 0 || (!def.closed && this.#some(8))) {
			return { $type: "com.example.other", any: true };
		}
		const ref = this.#random.pick(refs);
		const named = this.#named(ref, id);
		const object = named.def.type === "record" ? named.def.record : named.def;
		const $type = ref.startsWith("#") ? `${id}${ref}` : ref;
		const made = this.#object(object, named.id, depth);
		const typed = { $type, ...made };
		for (const place of this.#places) if (place.holder === made) place.holder = typed;
		return typed;
	}

	/** Changes one place. */
	#change() {
		const { holder, key, def } = this.#random.pick(this.#places);
		const change = this.#random.pick([...this.#changes(holder[key], def), ...ANY]);
		if (change !== ABSENT) holder[key] = structuredClone(change);
		else if (Array.isArray(holder)) holder.splice(key, 1);
		else delete holder[key];
		return { key, def, change };
	}

	/** Returns values at and beyond the limits of a schema. */
	#changes(value, def) {
		switch (def.type) {
			case "array": {
				const most = Math.min(def.maxLength ?? 5, 1_000);
				const item = value[0] ?? "item";
				return [[], Array(most).fill(item), Array(most + 1).fill(item), [...value, null]];
			}
			case "blob":
				return [
					blob("text/html", 1),
					blob("image/svg+xml", 1),
					blob("image/png", def.maxSize ?? 1),
					blob("image/png", (def.maxSize ?? 1) + 1),
				];
			case "bytes":
				return [0, 1, def.minLength ?? 0, def.maxLength ?? 9, (def.maxLength ?? 9) + 1].map(bytes);
			case "integer":
				return [(def.minimum ?? 0) - 1, def.minimum ?? 0, def.maximum ?? 1, (def.maximum ?? 1) + 1];
			case "string":
				return this.#strings(value, def);
			case "union": {
				const { $type, ...untyped } = value;
				const of = (other) => ({ ...value, $type: other });
				return [
					untyped,
					of(`${$type}#main`),
					of(`lex:${$type}`),
					of("other"),
					of("com.example.other"),
				];
			}
			default:
				return [];
		}
	}

	#strings(value, def) {
		if (def.format) return Array.from({ length: 40 }, () => this.#edited(value));
		const clusters = Math.min(def.maxGraphemes ?? 10, 3_000);
		const length = Math.min(def.maxLength ?? 10, 30_000);
		return [
			"🇩🇪".repeat(clusters),
			"🇩🇪".repeat(clusters + 1),
			"x".repeat(length),
			"x".repeat(length + 1),
			"é".repeat(length / 2 + 1),
			"x".repeat(Math.max((def.minLength ?? 1) - 1, 0)),
			"👩‍🚀".repeat(Math.max((def.minGraphemes ?? 1) - 1, 0)),
			`${value} `,
		];
	}

	/** Changes a character of text. */
	#edited(text) {
		const at = this.#random.below(text.length + 1);
		const put = this.#random.pick([..."aZ09-_.:/%#?~@ +éTz\u{a0}\u{feff}\0", ""]);
		return text.slice(0, at) + put + text.slice(at + this.#random.below(2));
	}
}

/**
 * Makes a value of the data model: an object with values of all kinds.
 * @param {import("./random.mjs").Random} random
 */
export function values(random, depth = 0) {
	const word = () =>
		Array.from({ length: random.below(7) }, () => random.pick(CHARACTERS)).join("");
	const value = (below) => {
		switch (random.below(below > 4 ? 6 : 8)) {
			case 0:
				return null;
			case 1:
				return random.below(2) === 1;
			case 2:
				return random.pick(INTEGERS);
			case 3:
				return word();
			case 4:
				return bytes(random.below(40));
			case 5:
				return { $link: random.pick(CIDS) };
			case 6:
				return Array.from({ length: random.below(5) }, () => value(below + 1));
			default:
				return values(random, below + 1);
		}
	};
	const keys = Array.from({ length: random.below(6) }, () => `${word()}k`);
	return Object.fromEntries(keys.map((key) => [key, value(depth)]));
}

function bytes(length) {
	const base64 = Buffer.alloc(length, "nacre").toString("base64");
	return { $bytes: base64.replaceAll("=", "") };
}

function blob(mimeType, size) {
	return { $type: "blob", ref: { $link: CIDS[0] }, mimeType, size };
}

const CIDS = [
	"bafkreiabxtdmcjyc6wqrghg57xv6t6duarjz4t2s7o2jmxhkfcy2kqrdzi",
	"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a",
];

/** Stands for a removed value. */
const ABSENT = Symbol("absent");

/** Values that any place may be changed to. */
const ANY = [
	ABSENT,
	null,
	true,
	false,
	0,
	"",
	"text",
	[],
	["text"],
	{},
	{ $type: "com.example.other" },
	{ any: 1 },
	bytes(3),
	{ $link: CIDS[1] },
	blob("image/png", 1),
];

const PIECES = ["a", "b", " ", "é", "漢", "👍", "👩‍🚀", "🇩🇪", "e\u0301", "नि", "\n", "Ω"];

const CHARACTERS = [...'aZ0 "\\/\b\f\n\r\t\u0000\u001f\u007fé漢\u2028\ud7ff\ue000\uffff😀$'];

const INTEGERS = [
	0,
	1,
	-1,
	23,
	24,
	-24,
	-25,
	255,
	256,
	65_535,
	65_536,
	4_294_967_295,
	4_294_967_296,
	-4_294_967_296,
	-4_294_967_297,
	Number.MAX_SAFE_INTEGER,
	Number.MIN_SAFE_INTEGER,
];

const VALID = {
	"at-identifier": ["did:plc:ewvi7nxzyoun6zhxrhs64oiz", "alice.example"],
	"at-uri": [
		"at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3jzfcijpj2z2a",
		"at://alice.example/com.example.note",
		"at://alice.example",
	],
	cid: CIDS,
	datetime: ["2024-02-29T12:30:00.123Z", "1985-04-12T23:20:50+01:00", "2024-01-01T00:00:00Z"],
	did: ["did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did:web:example.com%3A3000"],
	handle: ["alice.example", "xn--ls8h.test", "a-b.c1.example"],
	language: ["de", "pt-BR", "zh-Hant-TW", "sgn-BE-FR"],
	nsid: ["com.example.note", "app.bsky.feed.post", "net.a-b.users.foo"],
	"record-key": ["self", "3jzfcijpj2z2a", "a:b_c.d~e-f"],
	tid: ["3jzfcijpj2z2a", "2222222222222"],
	uri: ["https://example.com/a?b=c#d", "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "dns:example.com"],
};
