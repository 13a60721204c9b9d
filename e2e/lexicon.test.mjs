// `nacre-lexicon` compared with `@atproto/lexicon`: generated records that are valid or changed in one
// place, text with grapheme clusters of every kind, and round trips of values of the data model.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { schemas } from "@atproto/api";
import { encode } from "@atproto/lex-cbor";
import { Lexicons, jsonToLex } from "@atproto/lexicon";

import { ALL } from "./lexicon-all.mjs";
import { Maker, values } from "./lexicon-made.mjs";
import { CLASSES } from "./lexicon-known.mjs";
import { Random } from "./random.mjs";

const SEED = Number(process.env.NACRE_E2E_SEED ?? "1");
const RECORDS = 100_000;
const CHUNK = 10_000;

/** All documents, with plain names in references. */
const documents = [...schemas, ALL].map((document) =>
	JSON.parse(JSON.stringify(document).replaceAll('"lex:', '"')),
);

/** Collections to choose from. Ours uses every feature and is chosen more often. */
const collections = documents
	.filter(({ defs }) => defs.main?.type === "record")
	.flatMap(({ id }) => (id === ALL.id ? Array(6).fill(id) : [id]));

/** Returns the verdicts of the example `judge` of `nacre-lexicon` on lines. @param {string[]} lines */
function judge(lines, known = documents) {
	const [program, ...first] = process.env.NACRE_JUDGE
		? [process.env.NACRE_JUDGE]
		: ["cargo", "run", "--quiet", "--release", "--package", "nacre-lexicon", "--example", "judge"];
	const input = [...known.map((document) => `d ${JSON.stringify(document)}`), ...lines];
	const text = execFileSync(program, first, {
		input: `${input.join("\n")}\n`,
		encoding: "utf8",
		maxBuffer: 256 * 1024 * 1024,
	});
	const answers = text.trimEnd().split("\n");
	assert.equal(answers.length, lines.length);
	return answers;
}

test("@atproto/lexicon agrees on records, except for known differences", () => {
	const lexicons = new Lexicons(structuredClone(documents));
	const random = new Random(SEED);
	const maker = new Maker(documents, random);
	const met = new Map(CLASSES.map(({ name }) => [name, 0]));
	const verdicts = { valid: 0, invalid: 0 };
	for (let done = 0; done < RECORDS; done += CHUNK) {
		const records = Array.from({ length: CHUNK }, () => maker.record(random.pick(collections)));
		const ours = judge(records.map(({ json }) => `r ${json}`));
		for (const [index, { json, changed }] of records.entries()) {
			const theirs = theirVerdict(lexicons, JSON.parse(json));
			verdicts[theirs === "valid" ? "valid" : "invalid"] += 1;
			if (ours[index] === theirs) continue;
			const difference = { ours: ours[index], theirs, record: JSON.parse(json), changed };
			const known = CLASSES.find(({ is }) => is(difference));
			assert.ok(known, `seed ${SEED}: ${JSON.stringify(difference, undefined, 1)}`);
			met.set(known.name, met.get(known.name) + 1);
		}
	}
	for (const [name, count] of met) assert.ok(count > 0, `no difference in ${name} was found`);
	// Many records are valid, and many are invalid.
	assert.ok(Math.min(verdicts.valid, verdicts.invalid) > RECORDS / 5, JSON.stringify(verdicts));
});

/** @param {Lexicons} lexicons @param {{ $type: string }} record */
function theirVerdict(lexicons, record) {
	try {
		const result = lexicons.validate(record.$type, jsonToLex(record));
		return result.success ? "valid" : result.error.message;
	} catch (error) {
		return `throws ${error.message}`;
	}
}

test("Intl.Segmenter counts the same grapheme clusters", () => {
	const most = 64;
	const exactly = (count) => ({ type: "string", minGraphemes: count, maxGraphemes: count });
	const id = (count) => `com.example.n${count}`;
	const known = Array.from({ length: most + 1 }, (_, count) => ({
		lexicon: 1,
		id: id(count),
		defs: {
			main: {
				type: "record",
				key: "any",
				record: { type: "object", properties: { text: exactly(count) } },
			},
		},
	}));
	const segmenter = new Intl.Segmenter();
	const random = new Random(SEED + 1);
	const texts = [...CLUSTERS];
	while (texts.length < 10_000) {
		const count = 1 + random.below(12);
		texts.push(Array.from({ length: count }, () => random.pick(CLUSTERS)).join(""));
	}
	const counted = texts.map((text) => [text, [...segmenter.segment(text)].length]);
	const fit = counted.filter(([, count]) => count <= most);
	assert.equal(fit.length, counted.length);
	const records = fit.map(([text, count]) => `r ${JSON.stringify({ $type: id(count), text })}`);
	for (const [index, verdict] of judge(records, known).entries()) {
		const [text, count] = fit[index];
		assert.equal(verdict, "valid", `${JSON.stringify(text)} has ${count} clusters`);
	}
});

/** Grapheme clusters, and characters that join with neighbours to form one. */
const CLUSTERS = [
	"a",
	"é",
	"e\u0301",
	"漢",
	"\r\n",
	"\r",
	"\n",
	"\t",
	"\0",
	"👩‍👩‍👧‍👦",
	"👩‍🚀",
	"👩🏽‍🚀",
	"❤️‍🔥",
	"🏳️‍🌈",
	"🏴‍☠️",
	"👍🏿",
	"🤷🏻‍♂️",
	"☺️",
	"☺︎",
	"1️⃣",
	"#⃣",
	"🇩🇪",
	"🇩",
	"🇪",
	"🇯🇵",
	"🏴󠁧󠁢󠁥󠁮󠁧󠁿",
	"\u200d",
	"\u200c",
	"\u200b",
	"\ufe0f",
	"\u{1f3fd}",
	"क्षि",
	"क्‍ष",
	"नि",
	"स्त्री",
	"த்",
	"நி",
	"ক্ষ",
	"ഖ്യ",
	"క్ష",
	"ກຳ",
	"ำ",
	"ก็",
	"မြ",
	"ខ្មែរ",
	"각",
	"ᄀ",
	"ᅡ",
	"ᆨ",
	"가",
	"ㄱ",
	"Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍",
	"\u0600",
	"\u06dd",
	"𑂽",
	"\u0e33",
	"ｶﾞ",
];

test("values of the data model survive a round trip", () => {
	const random = new Random(SEED + 2);
	const made = Array.from({ length: 10_000 }, () => values(random));
	for (const [index, answer] of judge(
		made.map((value) => `j ${JSON.stringify(value)}`),
		[],
	).entries()) {
		const value = made[index];
		const [hex, ...json] = answer.split(" ");
		assert.deepEqual(JSON.parse(json.join(" ")), value);
		assert.equal(hex, Buffer.from(encode(jsonToLex(value))).toString("hex"), JSON.stringify(value));
	}
});
