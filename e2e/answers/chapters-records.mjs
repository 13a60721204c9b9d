// Chapters about records: writes, refusals, lists and events.

import { write } from "../cases.mjs";
import {
	FOLLOW,
	LIKE,
	NOTE,
	OLD_TID,
	OTHER_CID,
	OTHER_DID,
	POST,
	PROFILE,
	RAW_CID,
	REPOST,
	THEN,
} from "./routes.mjs";

/** Single writes, valid and invalid, and their events. @param {import('./scene.mjs').Scene} scene */
export async function records(scene) {
	await scene.signIn();
	const events = await scene.subscribe(0);
	const create = (name, record, more = {}) => {
		const { collection = NOTE, rkey = "refused", ...rest } = more;
		return scene.create(name, collection, rkey, record, rest);
	};
	const post = (fields) => ({ text: "hello", createdAt: THEN, ...fields });
	const posted = (name, fields, rkey = OLD_TID) =>
		create(name, post(fields), { collection: POST, rkey });

	const first = (await create("a record", { n: 1 }, { rkey: "a" })).expect();
	await create("a record over another", { n: 2 }, { rkey: "a" });
	await create("a record with its type", { $type: NOTE, n: 1 }, { rkey: "typed" });
	await create("a record of another type", { $type: "com.example.other" });
	await create("a record whose type is a number", { $type: 1 });
	await create("a record whose type is empty", { $type: "" });
	for (const validate of [true, false, null]) {
		await create(`validate: ${validate}`, { n: 1 }, { rkey: `v-${validate}`, validate });
	}
	for (const [name, record] of Object.entries({
		"a fraction": { n: 1.5 },
		"2^53": { n: 2 ** 53 },
		"-(2^53)": { n: -(2 ** 53) },
		"a bad link": { link: { $link: "nothing" } },
		"a link beside another key": { link: { $link: RAW_CID, x: 1 } },
		"a link that is a number": { link: { $link: 1 } },
		"bad bytes": { bytes: { $bytes: "!" } },
		"bytes with padding": { bytes: { $bytes: "AA==" } },
		"a text": "text",
		"an array": [],
		null: null,
		"a number": 1,
		"the old form of a blob": { image: { cid: RAW_CID, mimeType: "image/png" } },
		"a blob that is unknown": { image: blob(RAW_CID) },
		"a blob without a size": { image: { ...blob(RAW_CID), size: undefined } },
		"a blob with a link that is no raw CID": { image: blob(OTHER_CID) },
		"a blob of a negative size": { image: { ...blob(RAW_CID), size: -1 } },
		"an unknown $ field": { $pearl: 1 },
		"an empty key": { "": 1 },
	})) {
		await create(`a record with ${name}`, record, { rkey: `w-${name.replace(/[^a-z]/g, "")}` });
	}
	const raw = (name, record) => {
		const body = `{"repo":"${scene.server.did}","collection":"${NOTE}","rkey":"raw-${name.replace(/[^a-z]/g, "")}","record":${record}}`;
		const headers = { "content-type": "application/json" };
		const path = "/xrpc/com.atproto.repo.createRecord";
		return scene.send(`a record with ${name}`, "POST", path, { ...scene.owner, body, headers });
	};
	await raw("an exponent", '{"n":1e400}');
	await raw("a whole exponent", '{"n":1e2}');
	await raw("1.0", '{"n":1.0}');
	await raw("-0", '{"n":-0}');
	await raw("an unsafe integer", '{"n":9007199254740993}');
	await raw("a key twice", '{"n":1,"n":2}');
	await raw("half a surrogate", '{"t":"\\ud800"}');
	await raw("a zero character", '{"t":"\\u0000"}');
	for (const depth of [10, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1_000]) {
		await raw(
			`${"d".repeat(depth % 7)} ${depth} levels`,
			'{"a":'.repeat(depth) + "1" + "}".repeat(depth),
		);
	}

	for (const [index, rkey] of [
		...[".", "..", "a/b", "a b", "", "k".repeat(512), "k".repeat(513), "~", "a:b", "é", "A_-.~:9"],
	].entries()) {
		await create(`under key ${index + 1}`, { n: 1 }, { rkey });
	}
	for (const [index, collection] of [
		"notes",
		"com.example",
		"com.example.*",
		"com.example.1x",
	].entries()) {
		await create(`in collection ${index + 1}`, { n: 1 }, { collection });
	}
	for (const repo of [
		"alice.test",
		"ALICE.test",
		OTHER_DID,
		"bob.test",
		"nobody",
		"did:web:PDS.test",
	]) {
		const rkey = `r-${repo.replace(/\W/g, "")}`;
		await scene.write(`to ${repo}`, "createRecord", { repo, collection: NOTE, rkey, record: {} });
	}

	// Collections with a known schema.
	await posted("a post", {});
	await create("a post under a word", post({}), { collection: POST, rkey: "hello" });
	await create(
		"a post that need not be valid",
		{ text: 7 },
		{ collection: POST, rkey: "x", validate: false },
	);
	const refused = {
		"without a date": { createdAt: undefined },
		"without a text": { text: undefined },
		"whose text is a number": { text: 1 },
		"with a date of no zone": { createdAt: "2024-01-01T00:00:00" },
		"with a date of no time": { createdAt: "2024-01-01" },
		"of 301 astronauts": { text: "👩‍🚀".repeat(301) },
		"of 301 flags": { text: "🇩🇪".repeat(301) },
		"of 3,001 letters": { text: "x".repeat(3_001) },
		"that replies to nothing": { reply: {} },
		"that replies to half": {
			reply: { root: { uri: `at://${OTHER_DID}/${POST}/x`, cid: OTHER_CID } },
		},
		"in four languages": { langs: ["en", "de", "fr", "it"] },
		"in no language": { langs: ["english language"] },
		"with nine tags": { tags: Array(9).fill("pearl") },
		"with an unknown embed": { embed: { $type: "com.example.embed" } },
		"with an embed of no type": { embed: {} },
		"with an image that is unknown": {
			embed: {
				$type: "app.bsky.embed.images",
				images: [{ alt: "", image: { ...blob(RAW_CID), mimeType: "image/png" } }],
			},
		},
		"with an image that is a text": {
			embed: {
				$type: "app.bsky.embed.images",
				images: [{ alt: "", image: { ...blob(RAW_CID), mimeType: "text/plain" } }],
			},
		},
		"with an image that is too large": {
			embed: {
				$type: "app.bsky.embed.images",
				images: [{ alt: "", image: { ...blob(RAW_CID), mimeType: "image/png", size: 3_000_000 } }],
			},
		},
		"with five images": {
			embed: {
				$type: "app.bsky.embed.images",
				images: Array(5).fill({ alt: "", image: { ...blob(RAW_CID), mimeType: "image/png" } }),
			},
		},
		"with a link of no host": {
			embed: {
				$type: "app.bsky.embed.external",
				external: { uri: "https:///x", title: "", description: "" },
			},
		},
		"with a facet that ends before it begins": {
			facets: [{ index: { byteStart: -1, byteEnd: 1 }, features: [] }],
		},
		"that quotes nothing": {
			embed: { $type: "app.bsky.embed.record", record: { uri: "x", cid: "y" } },
		},
		"with labels that are none": {
			labels: { $type: "com.atproto.label.defs#selfLabels", values: [{}] },
		},
	};
	for (const [name, fields] of Object.entries(refused))
		await posted(`a post ${name}`, fields, "3jzfcijpj2z2b");
	await posted("a post with fields of its own", { more: { a: [1, { b: null }] } }, "3jzfcijpj2z2c");
	await scene.put("a profile that is not self", PROFILE, "me", {});
	await scene.put("a profile", PROFILE, "self", { displayName: "Alice" });
	await scene.put("a profile with a long name", PROFILE, "self", { displayName: "x".repeat(641) });
	await scene.put("a profile with an old avatar", PROFILE, "self", {
		avatar: { cid: RAW_CID, mimeType: "image/png" },
	});
	await scene.put("a follow of nobody", FOLLOW, OLD_TID, { subject: "nobody", createdAt: THEN });

	// Puts, deletes and swaps.
	const head = (await scene.sync("where it stands", "getLatestCommit")).expect();
	const put = (name, record, more) => scene.put(name, NOTE, "a", record, more);
	await put("a put of the same", { n: 1 });
	await put("a put of the same, expecting the commit", { n: 1 }, { swapCommit: head.cid });
	await put("a put of the same, expecting another commit", { n: 1 }, { swapCommit: OTHER_CID });
	await put("a put expecting another commit", { n: 2 }, { swapCommit: OTHER_CID });
	await put("a put expecting another record", { n: 2 }, { swapRecord: OTHER_CID });
	await put("a put expecting no record", { n: 2 }, { swapRecord: null });
	await put("a put expecting what is no CID", { n: 2 }, { swapRecord: "nothing" });
	await put("a put expecting a commit that is no CID", { n: 2 }, { swapCommit: "nothing" });
	await put(
		"a put expecting the record and the commit",
		{ n: 2 },
		{ swapRecord: first.cid, swapCommit: head.cid },
	);
	await put("a put without validation", { n: 3 }, { validate: false });
	await put("a put that must be valid", { n: 4 }, { validate: true });
	await scene.put("a put of a new record", NOTE, "new", { n: 1 }, { swapRecord: null });
	await scene.put(
		"a put of a record that should be there",
		NOTE,
		"gone",
		{ n: 1 },
		{ swapRecord: first.cid },
	);
	await create("a create expecting another commit", { n: 1 }, { swapCommit: OTHER_CID });
	await scene.delete("a delete of nothing", NOTE, "gone");
	await scene.delete("a delete of nothing, expecting a record", NOTE, "gone", {
		swapRecord: first.cid,
	});
	await scene.delete("a delete of nothing, expecting nothing", NOTE, "gone", { swapRecord: null });
	await scene.delete("a delete of nothing, expecting another commit", NOTE, "gone", {
		swapCommit: OTHER_CID,
	});
	await scene.delete("a delete expecting another record", NOTE, "new", { swapRecord: OTHER_CID });
	await scene.delete("a delete expecting another commit", NOTE, "new", { swapCommit: OTHER_CID });
	await scene.delete("a delete", NOTE, "new");
	await scene.delete("the delete again", NOTE, "new");
	await scene.delete("a delete under a bad key", NOTE, "a/b");
	await scene.delete("a delete elsewhere", NOTE, "a", { repo: OTHER_DID });
	await scene.query("the record as it is", "com.atproto.repo.getRecord", {
		repo: "alice.test",
		collection: NOTE,
		rkey: "a",
	});
	await allEvents(scene, "what was told", events);
}

/** Batches: order, net effect and limits. */
export async function batches(scene) {
	await scene.signIn();
	const events = await scene.subscribe(0);
	const note = (n) => ({ n });
	const create = (rkey, n = 1) => write("create", NOTE, rkey, note(n));
	const update = (rkey, n = 2) => write("update", NOTE, rkey, note(n));
	const remove = (rkey) => write("delete", NOTE, rkey);
	await scene.apply("no writes", []);
	await scene.apply("no writes, expecting another commit", [], { swapCommit: OTHER_CID });
	await scene.apply("three creates", [create("c"), create("a"), create("b")]);
	await scene.apply("one of each", [create("d"), update("a"), remove("b")]);
	for (const [name, writes] of Object.entries({
		"create and delete": [create("x"), remove("x")],
		"create and update": [create("y"), update("y")],
		"delete and create": [remove("a"), create("a", 7)],
		"delete and create the same": [remove("a"), create("a", 7)],
		"update twice": [update("a", 8), update("a", 9)],
		"update back": [update("a", 10), update("a", 9)],
		"update to the same": [update("a", 9)],
		"create twice": [create("z"), create("z")],
		"create what is there": [create("q"), create("a")],
		"update what is not there": [create("q"), update("nothing")],
		"update what was deleted": [remove("c"), update("c")],
		"delete what is not there": [create("q"), remove("nothing")],
		"delete twice": [remove("c"), remove("c")],
		"delete, create, delete": [remove("d"), create("d"), remove("d")],
		"an unknown action": [
			create("q"),
			{ ...create("r"), $type: "com.atproto.repo.applyWrites#move" },
		],
		"an action of no type": [{ ...create("r"), $type: undefined }],
		"an action that is a number": [{ ...create("r"), $type: 1 }],
		"an action by its short name": [{ ...create("r"), $type: "create" }],
		"a create without a value": [{ ...create("r"), value: undefined }],
		"an update without a key": [{ ...update("a"), rkey: undefined }],
		"a delete without a key": [{ ...remove("a"), rkey: undefined }],
		"a delete with a value": [{ ...remove("y"), value: { n: 1 } }],
		"a bad key": [create("q"), create("a/b")],
		"a bad collection": [create("q"), write("create", "notes", "a", note(1))],
		"a post that is not valid": [create("q"), write("create", POST, OLD_TID, {})],
		"a blob that is unknown": [
			create("q"),
			write("create", NOTE, "blob", { image: blob(RAW_CID) }),
		],
		"an old blob": [
			create("q"),
			write("create", NOTE, "blob", { image: { cid: RAW_CID, mimeType: "a/b" } }),
		],
		"another type": [write("create", NOTE, "type", { $type: POST })],
		"a write that is null": [null],
		"a write that is an array": [[]],
		"an unknown field": [{ ...create("field"), swapRecord: OTHER_CID }],
	})) {
		await scene.apply(name, writes);
	}
	await scene.apply("a post and its like", [
		write("create", POST, OLD_TID, { text: "hello", createdAt: THEN }),
		write("create", LIKE, OLD_TID, {
			subject: { uri: `at://${OTHER_DID}/${POST}/${OLD_TID}`, cid: OTHER_CID },
			createdAt: THEN,
		}),
	]);
	await scene.apply("not validated", [write("create", POST, "any", { text: 1 })], {
		validate: false,
	});
	await scene.apply("must be valid and is unknown", [create("must")], { validate: true });
	await scene.apply("expecting another commit", [create("swap")], { swapCommit: OTHER_CID });
	const { cid } = (await scene.sync("where it stands", "getLatestCommit")).expect();
	await scene.apply("expecting the commit", [create("swap")], { swapCommit: cid });
	await scene.apply("expecting the commit before", [create("swap2")], { swapCommit: cid });
	await scene.apply("elsewhere", [create("swap3")], { repo: OTHER_DID });
	const many = (count) => Array.from({ length: count }, (_, n) => create(`m${n}`, n));
	await scene.apply("201 creates", many(201));
	await scene.apply("200 creates", many(200));
	await scene.apply("201 writes without a net effect", [...many(100), ...many(101)]);
	await scene.apply(
		"200 updates that change nothing",
		many(200).map((one) => ({ ...one, $type: `${one.$type.split("#")[0]}#update` })),
	);
	await scene.apply(
		"199 deletes",
		many(199).map(({ rkey }) => remove(rkey)),
	);
	const large = (count, size) =>
		Array.from({ length: count }, (_, n) =>
			write("create", NOTE, `l${n}`, { text: "x".repeat(size) }),
		);
	await scene.apply("three large records", large(3, 700_000));
	await scene.apply("two records of 490 kB", large(2, 490_000));
	await scene.apply("their deletes", [remove("l0"), remove("l1")]);
	await allEvents(scene, "what was told", events);
}

/** An event over the size limit: deletes all over a tree of very long keys. */
export async function largeEvents(scene) {
	await scene.signIn();
	const keys = Array.from({ length: LONG_KEYS }, (_, n) => longKey(n));
	for (let at = 0; at < keys.length; at += 200) {
		const writes = keys.slice(at, at + 200).map((rkey) => write("create", NOTE, rkey, {}));
		const json = { repo: scene.server.did, writes };
		const path = "/xrpc/com.atproto.repo.applyWrites";
		(await scene.sendUnrecorded("POST", path, { json, ...scene.owner })).expect();
	}
	await scene.query("the status before", "com.atproto.server.checkAccountStatus", {}, scene.owner);
	const spread = Array.from({ length: 200 }, (_, n) => keys[n * (LONG_KEYS / 200)]);
	const removes = spread.map((rkey) => write("delete", NOTE, rkey));
	const large = write("create", NOTE, "large", { text: "x".repeat(870_000) });
	await scene.apply("199 deletes under long keys, and a large record", [
		...removes.slice(1),
		large,
	]);
	await scene.apply("200 deletes under long keys", removes);
	await scene.apply("20 deletes under long keys", removes.slice(0, 20), {});
	await scene.query("the status after", "com.atproto.server.checkAccountStatus", {}, scene.owner);
	await scene.sync("a proof under long keys", "getRecord", { collection: NOTE, rkey: keys[7] });
	const list = { repo: scene.server.did, collection: NOTE, limit: "100" };
	await scene.query("a list under long keys", "com.atproto.repo.listRecords", list);
}

/** Likes, reposts and follows of one subject, which replace one another. */
export async function subjects(scene) {
	await scene.signIn();
	const events = await scene.subscribe(0);
	const subject = { uri: `at://${OTHER_DID}/${POST}/${OLD_TID}`, cid: OTHER_CID };
	const tid = (n) => OLD_TID.slice(0, -1) + "abcdefghij"[n];
	const like = (name, n, more = {}) =>
		scene.create(name, LIKE, tid(n), { subject, createdAt: THEN, ...more });
	await like("a like", 0);
	await like("another like of the same", 1);
	await like("a like of the same under the same key", 1);
	await scene.write("a like without validation", "createRecord", {
		collection: LIKE,
		rkey: tid(2),
		validate: false,
		record: { subject, createdAt: THEN },
	});
	await like("a like after that", 3);
	await like("a like of another post", 4, { subject: { ...subject, uri: `${subject.uri}2` } });
	await scene.put("a put of the first subject", LIKE, tid(5), { subject, createdAt: THEN });
	await scene.apply("a batch with the first subject", [
		write("create", LIKE, tid(6), { subject, createdAt: THEN }),
	]);
	await like("one for all", 7);
	await scene.delete("no like any more", LIKE, tid(7));
	await like("a like again", 8);
	for (const [name, collection, about] of [
		["repost", REPOST, subject],
		["follow", FOLLOW, OTHER_DID],
		["block", "app.bsky.graph.block", OTHER_DID],
		["list item", "app.bsky.graph.listitem", OTHER_DID],
	]) {
		const list = `at://${OTHER_DID}/app.bsky.graph.list/x`;
		for (const n of [0, 1]) {
			const record = { subject: about, createdAt: THEN, ...(name === "list item" && { list }) };
			await scene.create(`${name} ${n + 1}`, collection, tid(n), record);
		}
	}
	for (const collection of [LIKE, REPOST, FOLLOW]) {
		await scene.query(`all of ${collection}`, "com.atproto.repo.listRecords", {
			repo: "alice.test",
			collection,
		});
	}
	await allEvents(scene, "what was told", events);
}

/** Generated record keys. */
export async function keys(scene) {
	await scene.signIn();
	const events = await scene.subscribe(0);
	const create = (name, collection, record, more = {}) =>
		scene.write(name, "createRecord", { collection, record, ...more });
	await create("a note", NOTE, { n: 1 });
	await create("another note", NOTE, { n: 2 });
	await create("a note with a null key", NOTE, { n: 3 }, { rkey: null });
	await create("a post", POST, { text: "hello", createdAt: THEN });
	await create("a profile", PROFILE, {});
	const subject = { uri: `at://${OTHER_DID}/${POST}/${OLD_TID}`, cid: OTHER_CID };
	await create("a like", LIKE, { subject, createdAt: THEN });
	await create("another like of the same", LIKE, { subject, createdAt: THEN });
	const keyless = { $type: "com.atproto.repo.applyWrites#create", collection: NOTE };
	await scene.apply("a batch", [
		{ ...keyless, value: { n: 4 } },
		write("create", NOTE, "between", { n: 5 }),
		{ ...keyless, value: { n: 6 } },
	]);
	await create("a note after the batch", NOTE, { n: 7 });
	for (const limit of ["3", "100"]) {
		const params = { repo: "alice.test", collection: NOTE, limit };
		await scene.query(`a list of ${limit}`, "com.atproto.repo.listRecords", params);
	}
	await allEvents(scene, "what was told", events);
}

/** Reads: single records, pages, and descriptions. */
export async function reads(scene) {
	await scene.signIn();
	const { did } = scene.server;
	await scene.query("a description of nothing", "com.atproto.repo.describeRepo", { repo: did });
	await scene.query("a list of nothing", "com.atproto.repo.listRecords", {
		repo: did,
		collection: NOTE,
	});
	const cids = {};
	for (let n = 0; n < 12; n += 1) {
		const rkey = `k${String(n).padStart(2, "0")}`;
		cids[rkey] = (await scene.put(`record ${rkey}`, NOTE, rkey, { n })).expect().cid;
	}
	await scene.put("a record of many kinds", NOTE, "kinds", {
		text: 'quotes " and \\ and \u2028, é and 🐚 and \u007f',
		link: { $link: RAW_CID },
		bytes: { $bytes: "AAEC" },
		list: [null, true, false, -1, 0, 9007199254740991, [], {}],
		nested: { z: 1, a: { b: {} }, aa: 2 },
	});
	for (const collection of [
		"com.example.notes",
		"com.example.noteA",
		"com.example.aaa",
		"com.example.note.more",
	]) {
		await scene.put(`a record of ${collection}`, collection, "k", { n: 1 });
	}
	await scene.query("a description", "com.atproto.repo.describeRepo", { repo: did });
	const get = (name, params) =>
		scene.query(name, "com.atproto.repo.getRecord", { repo: did, collection: NOTE, ...params });
	await get("a record", { rkey: "k03" });
	await get("a record by its CID", { rkey: "k03", cid: cids.k03 });
	await get("a record by another CID", { rkey: "k03", cid: cids.k04 });
	await get("a record by the handle", { repo: "alice.test", rkey: "k03" });
	await get("a record of many kinds again", { rkey: "kinds" });
	await get("no record", { rkey: "none" });
	await get("another's record", { repo: OTHER_DID, rkey: "k03" });
	const list = (name, params) =>
		scene.query(name, "com.atproto.repo.listRecords", { repo: did, collection: NOTE, ...params });
	for (const reverse of [undefined, "false", "true"]) {
		const more = reverse && { reverse };
		await list(`a list, reverse ${reverse}`, { ...more });
		let cursor;
		for (let page = 1; page <= 5; page += 1) {
			const answer = await list(`page ${page}, reverse ${reverse}`, {
				limit: "4",
				...more,
				...(cursor && { cursor }),
			});
			({ cursor } = answer.expect());
			if (!cursor) break;
		}
	}
	await list("a page of one", { limit: "1" });
	await list("a page of all", { limit: "13" });
	await list("a page of more", { limit: "14" });
	await list("after a key that is not there", { cursor: "k055", limit: "2" });
	await list("after the last key", { cursor: "a" });
	await list("before the first key", { cursor: "zz", limit: "2" });
	await list("the other way after the last", { cursor: "zz", reverse: "true" });
	await list("with other parameters", { rkeyStart: "k02", rkeyEnd: "k05" });
	for (const method of ["getRecord", "listRecords"]) {
		const params = new URLSearchParams({ repo: did, collection: NOTE, rkey: "k03" });
		const path = `/xrpc/com.atproto.repo.${method}?${params}`;
		const headers = { "if-none-match": `"${cids.k03}"`, range: "bytes=0-3" };
		await scene.send(`${method} with conditions`, "GET", path, { headers });
	}
	await scene.delete("no record of a collection is left", "com.example.aaa", "k");
	await scene.query("a description after that", "com.atproto.repo.describeRepo", { repo: did });
}

/** Records the events of a subscription so far. */
export async function allEvents(scene, name, events) {
	const path = "/xrpc/com.atproto.repo.putRecord";
	const rkey = `end-${name.replace(/\W/g, "-")}`;
	const json = { repo: scene.server.did, collection: "com.example.end", rkey, record: {} };
	const { commit } = (await scene.sendUnrecorded("POST", path, { ...scene.owner, json })).expect();
	const isLast = ({ body }) => String(body.commit) === commit.cid;
	while (!events.events.some(isLast)) await events.count(events.events.length + 1);
	await scene.recordFrames(name, events, events.events.findIndex(isLast) + 1);
}

function blob(cid) {
	return { $type: "blob", ref: { $link: cid }, mimeType: "image/png", size: 3 };
}

/** Returns a key of 500 characters. Neighbouring keys have only a short common prefix. */
function longKey(n) {
	const spread = (Math.imul(n + 1, 2_654_435_761) >>> 0).toString(16).padStart(8, "0");
	return spread.repeat(62) + String(n).padStart(4, "0");
}

const LONG_KEYS = 6_000;
