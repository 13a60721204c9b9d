// Chapters about sessions: sign-in, tokens and rate limits.

import { createHmac } from "node:crypto";

import { NOTE, OTHER_DID } from "./routes.mjs";
import { PASSWORD } from "./scene.mjs";

const CREATE_SESSION = "com.atproto.server.createSession";
const REFRESH = "com.atproto.server.refreshSession";
const DELETE = "com.atproto.server.deleteSession";
const GET = "com.atproto.server.getSession";

/** Sign-ins with every identifier, and the life of a session. @param {import('./scene.mjs').Scene} scene */
export async function sessions(scene) {
	const signIn = (name, identifier, password = PASSWORD) =>
		scene.procedure(name, CREATE_SESSION, { identifier, password });
	const first = (await signIn("by the DID", "did:web:pds.test")).expect();
	for (const [name, identifier] of Object.entries({
		"by the handle": "alice.test",
		"by the handle in capitals": "ALICE.test",
		"by the handle after an at sign": "@alice.test",
		"by the handle with invisible characters": "\u{202A}@alice.test\u{202C}",
		"by the handle with spaces": "  alice.test\n",
		"by an address": "alice@mail.test",
		"by another handle": "bob.test",
		"by another DID": OTHER_DID,
		"by no name": "",
		"by words": "not a name",
		"by an at sign": "@",
	})) {
		await signIn(name, identifier);
	}
	await signIn("with a wrong password", "alice.test", "wrong");
	await signIn("with an empty password", "alice.test", "");
	await signIn("with 512 bytes of password", "alice.test", "x".repeat(512));
	await signIn("with 513 bytes of password", "alice.test", "x".repeat(513));
	await signIn("as another with 513 bytes of password", "bob.test", "x".repeat(513));

	const call = (name, nsid, token) =>
		nsid === GET
			? scene.query(name, nsid, {}, { token })
			: scene.procedure(name, nsid, undefined, { token });
	await call("who is here", GET, first.accessJwt);
	const second = (await call("a refresh", REFRESH, first.refreshJwt)).expect();
	await call("the same refresh again", REFRESH, first.refreshJwt);
	await call("access by the first token", GET, first.accessJwt);
	await call("access by the second token", GET, second.accessJwt);
	const third = (await call("a refresh by the next token", REFRESH, second.refreshJwt)).expect();
	await call("the first refresh once more", REFRESH, first.refreshJwt);
	await call("a refresh by an access token", REFRESH, third.accessJwt);
	await call("access by a refresh token", GET, third.refreshJwt);
	await call("the end by an access token", DELETE, third.accessJwt);
	await call("the end", DELETE, third.refreshJwt);
	await call("the end again", DELETE, third.refreshJwt);
	await call("access after the end", GET, third.accessJwt);
	await call("access by the first token after the end", GET, first.accessJwt);
	await call("a refresh after the end", REFRESH, third.refreshJwt);
	await call("a refresh by the first token after the end", REFRESH, first.refreshJwt);

	// The first refresh of another session does not end it.
	const other = (await signIn("another session", "alice.test")).expect();
	await call("the end by a token that was used", REFRESH, other.refreshJwt);
	await call("the end of the other session", DELETE, other.refreshJwt);
	await call("access to the other session", GET, other.accessJwt);
}

/** Malformed credentials, and tokens with valid and invalid signatures. */
export async function tokens(scene) {
	const { accessJwt, refreshJwt } = await scene.signIn();
	const secret = await scene.variable("JWT_SECRET");
	const { did } = scene.server;
	const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
	const make = (header, claims, key = secret) => {
		const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
		const signed = `${part(header)}.${part(claims)}`;
		return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
	};
	const ACCESS = { typ: "at+jwt", alg: "HS256" };
	const RENEW = { typ: "refresh+jwt", alg: "HS256" };
	const good = claimsOf(accessJwt);
	const goodRefresh = claimsOf(refreshJwt);
	const without = (claims, name) =>
		Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
	const forged = {
		"made again": make(ACCESS, good),
		"that has expired": make(ACCESS, { ...good, exp: 1_700_000_000 }),
		"from the future": make(ACCESS, { ...good, iat: 4_000_000_000, exp: 4_000_007_200 }),
		"for another service": make(ACCESS, { ...good, aud: OTHER_DID }),
		"for two services": make(ACCESS, { ...good, aud: [good.aud] }),
		"of another account": make(ACCESS, { ...good, sub: OTHER_DID }),
		"of another scope": make(ACCESS, { ...good, scope: "com.atproto.refresh" }),
		"of an app password": make(ACCESS, { ...good, scope: "com.atproto.appPass" }),
		"of no scope": make(ACCESS, without(good, "scope")),
		"of no session": make(ACCESS, without(good, "sid")),
		"of an unknown session": make(ACCESS, { ...good, sid: "a".repeat(32) }),
		"with a name of its own": make(ACCESS, { ...good, jti: "a".repeat(32) }),
		"with another claim": make(ACCESS, { ...good, lxm: GET }),
		"without an end": make(ACCESS, without(good, "exp")),
		"with an end in text": make(ACCESS, { ...good, exp: String(good.exp) }),
		"of type JWT": make({ typ: "JWT", alg: "HS256" }, good),
		"of another algorithm": make({ typ: "at+jwt", alg: "HS512" }, good),
		"with another header": make({ ...ACCESS, kid: "1" }, good),
		"without a type": make({ alg: "HS256" }, good),
		"signed with another key": make(ACCESS, good, "another secret"),
		"that is not signed": `${make({ typ: "at+jwt", alg: "none" }, good).replace(/[^.]*$/, "")}`,
		"with padding": `${accessJwt}=`,
		"of two parts": accessJwt.split(".").slice(0, 2).join("."),
		"of four parts": `${accessJwt}.x`,
		"with a header that is no JSON": `eA.${accessJwt.split(".").slice(1).join(".")}`,
		"of 9,000 bytes": make(ACCESS, { ...good, scope: "x".repeat(6_800) }),
		"that is a refresh token": make(ACCESS, goodRefresh),
	};
	for (const [name, token] of Object.entries(forged)) {
		await scene.query(`an access token ${name}`, GET, {}, { token, credential: name });
	}
	for (const name of ["that has expired", "of another account", "signed with another key"]) {
		const token = forged[name];
		await scene.sync(`a visitor's token ${name}`, "getLatestCommit", {}, { token });
		const input = { repo: did, collection: NOTE, record: {} };
		await scene.procedure(`a write with a token ${name}`, "com.atproto.repo.createRecord", input, {
			token,
		});
	}
	const refreshes = {
		"that has expired": make(RENEW, { ...goodRefresh, exp: 1_700_000_000 }),
		"without a name": make(RENEW, without(goodRefresh, "jti")),
		"of an unknown name": make(RENEW, { ...goodRefresh, jti: "a".repeat(32) }),
		"of another account": make(RENEW, { ...goodRefresh, sub: OTHER_DID }),
		"for another service": make(RENEW, { ...goodRefresh, aud: OTHER_DID }),
		"of another scope": make(RENEW, { ...goodRefresh, scope: "com.atproto.access" }),
		"of type JWT": make({ typ: "JWT", alg: "HS256" }, goodRefresh),
	};
	for (const [name, token] of Object.entries(refreshes)) {
		await scene.procedure(`a refresh token ${name}`, REFRESH, undefined, { token });
		if (name === "that has expired") continue;
		await scene.procedure(`the end by a refresh token ${name}`, DELETE, undefined, { token });
	}
	const authorized = (name, authorization) =>
		scene.query(name, GET, {}, { headers: { authorization }, credential: name });
	for (const [name, authorization] of Object.entries({
		"an empty header": "",
		"a scheme alone": "Bearer",
		"a scheme and a space": "Bearer ",
		"two spaces": `Bearer  ${accessJwt}`,
		"two tokens": "Bearer a b",
		"a scheme in small letters": `bearer ${accessJwt}`,
		"a scheme in capitals": `BEARER ${accessJwt}`,
		"a token alone": accessJwt,
		Digest: "Digest abc",
		Basic: "Basic YWRtaW46YWRtaW4=",
		DPoP: "DPoP abc",
		"a scheme of 200 characters": `${"x".repeat(200)} abc`,
		"Latin-1": "Bearer \u00e9",
		"9,000 bytes": `Bearer ${"x".repeat(9_000)}`,
		"20,000 bytes": `Bearer ${"x".repeat(20_000)}`,
		"the same twice": [`Bearer ${accessJwt}`, `Bearer ${accessJwt}`],
		"a bad one and a good one": ["Bearer abc", `Bearer ${accessJwt}`],
		"two that are malformed": ["Bearer", "Digest abc"],
	})) {
		await authorized(`authorization: ${name}`, authorization);
	}
	const visit = (name, authorization) =>
		scene.sync(name, "getLatestCommit", {}, { headers: { authorization } });
	await visit("a visitor with an empty header", "");
	await visit("a visitor with Basic", "Basic YWRtaW46YWRtaW4=");
	await visit("a visitor with garbage", "Bearer abc");
	await visit("a visitor with a good token", `Bearer ${accessJwt}`);
	const operator = await scene.variable("AUTH_TOKEN");
	await scene.query("the operator as the owner", GET, {}, { token: operator });
	await scene.query(
		"half of the operator's token",
		GET,
		{},
		{
			token: operator.slice(0, 20),
			credential: "half of it",
		},
	);
	await scene.procedure("the expired token ends its session", DELETE, undefined, {
		token: refreshes["that has expired"],
	});
	await scene.query("access after that end", GET, {}, { token: accessJwt });
}

/** Sign-ins up to the limits. */
export async function signInLimits(scene) {
	const signIn = (name, identifier, password) =>
		scene.procedure(name, CREATE_SESSION, { identifier, password });
	for (let n = 1; n <= 31; n += 1) await signIn(`unknown ${n}`, "bob.test", "wrong");
	for (let n = 1; n <= 31; n += 1) await signIn(`owner ${n}`, "alice.test", "wrong");
	await signIn("the owner with the password", "alice.test", PASSWORD);
	await scene.procedure("a body that is no input", CREATE_SESSION, {});
	await scene.query("without a session", GET);
}

/** Sign-ins from many addresses, which a Worker reads from a header. */
export async function addressLimits(scene) {
	const path = `/xrpc/${CREATE_SESSION}`;
	const json = { identifier: "bob.test", password: "wrong" };
	const attempt = async (count) => {
		for (let n = 0; n < count; n += 1) {
			const headers = { "cf-connecting-ip": `192.0.2.${n % 5}` };
			await scene.sendUnrecorded("POST", path, { json, headers });
		}
	};
	await attempt(50);
	await scene.procedure("the fifty-first", CREATE_SESSION, json, {
		headers: { "cf-connecting-ip": "192.0.2.1" },
	});
	await attempt(49);
	for (const address of ["192.0.2.0", "192.0.2.9", "2001:db8::1", "nowhere"]) {
		const headers = { "cf-connecting-ip": address };
		await scene.procedure(`one more from ${address}`, CREATE_SESSION, json, { headers });
	}
}
