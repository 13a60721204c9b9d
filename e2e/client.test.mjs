// The official client library, used as an app uses it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AtpAgent, RichText } from "@atproto/api";

import { onEachHost } from "./hosts.mjs";
import { loopbackFetch } from "./loopback.mjs";
import { procedure, query, signIn } from "./xrpc.mjs";

onEachHost("official client", (server) => {
	const newAgent = () => new AtpAgent({ service: server().url, fetch: loopbackFetch });

	async function signedIn(identifier = server().handle) {
		const agent = newAgent();
		await agent.login({ identifier, password: server().password });
		return agent;
	}

	/** The signed-in agent of the tests that do not sign in themselves. */
	let owner;
	const ownersAgent = async () => (owner ??= await signedIn());

	test("logs in by handle and by DID, whatever the letter case of the handle", async () => {
		const { handle, did } = server();
		for (const identifier of [handle, handle.toUpperCase(), `@${handle}`, did]) {
			const { session } = await signedIn(identifier);
			assert.equal(session.did, did);
			assert.equal(session.handle, handle);
			assert.equal(session.active, true);
		}
	});

	test("uses the endpoint in the DID document", async () => {
		const agent = await ownersAgent();
		assert.equal(agent.pdsUrl.origin, server().url);
	});

	test("cannot log in with a wrong password or another identifier", async () => {
		const { handle, password } = server();
		for (const login of [
			{ identifier: handle, password: `${password}!` },
			{ identifier: "bob.test", password },
			{ identifier: "not a name", password },
		]) {
			await assert.rejects(newAgent().login(login), {
				status: 401,
				error: "AuthenticationRequired",
				message: "Invalid identifier or password",
			});
		}
	});

	test("gets its session", async () => {
		const { data } = await (await ownersAgent()).com.atproto.server.getSession();
		assert.equal(data.did, server().did);
		assert.equal(data.handle, server().handle);
		assert.equal(data.active, true);
		assert.equal(data.didDoc.id, server().did);
	});

	test("resumes a session", async () => {
		const { session } = await signedIn();
		const agent = newAgent();
		await agent.resumeSession(session);
		assert.equal(agent.session.did, server().did);
		await agent.com.atproto.server.getSession();
	});

	test("posts with facets, likes the post and deletes both", async () => {
		const agent = await ownersAgent();
		const text = new RichText({
			text: `hello @${server().handle} 🐚, see https://atproto.com #pds`,
		});
		await text.detectFacets(agent);
		assert.equal(text.facets.length, 3);
		assert.equal(text.facets[0].features[0].did, server().did);

		const post = await agent.post({ text: text.text, facets: text.facets, langs: ["en"] });
		const { rkey } = parseUri(post.uri);
		const read = await agent.getPost({ repo: server().did, rkey });
		assert.equal(read.cid, post.cid);
		assert.equal(read.value.text, text.text);
		assert.deepEqual(plain(read.value.facets), plain(text.facets));

		const like = await agent.like(post.uri, post.cid);
		const liked = await agent.com.atproto.repo.getRecord(parseUri(like.uri));
		assert.deepEqual(liked.data.value.subject, { uri: post.uri, cid: post.cid });

		await agent.deleteLike(like.uri);
		await agent.deletePost(post.uri);
		for (const uri of [like.uri, post.uri]) {
			await assert.rejects(agent.com.atproto.repo.getRecord(parseUri(uri)), {
				status: 400,
				error: "RecordNotFound",
				message: `Could not locate record: ${uri}`,
			});
		}
	});

	test("creates and updates a profile", async () => {
		const agent = await ownersAgent();
		const self = { repo: server().did, collection: "app.bsky.actor.profile", rkey: "self" };
		await agent.upsertProfile((existing) => {
			assert.equal(existing, undefined);
			return { displayName: "Alice" };
		});
		await agent.upsertProfile((existing) => ({ ...existing, description: "a pearl" }));
		const { data } = await agent.com.atproto.repo.getRecord(self);
		assert.deepEqual(data.value, {
			$type: "app.bsky.actor.profile",
			displayName: "Alice",
			description: "a pearl",
		});
		const old = { ...self, cid: "bafyreihyrpefhacm6kkp4ql6j6udakdit7g3dmkzfriqfykhjw6cad5lrm" };
		await assert.rejects(agent.com.atproto.repo.getRecord(old), { error: "RecordNotFound" });
		const { data: same } = await agent.com.atproto.repo.getRecord({ ...self, cid: data.cid });
		assert.deepEqual(same, data);
		const byHandle = { ...self, repo: server().handle.toUpperCase() };
		assert.deepEqual((await agent.com.atproto.repo.getRecord(byHandle)).data, data);
	});

	test("pages through records in both directions, each once", async () => {
		const agent = await ownersAgent();
		const collection = "com.example.page";
		const written = [];
		for (let number = 0; number < 23; number += 1) {
			const record = { number };
			const input = { repo: server().did, collection, record };
			written.push((await agent.com.atproto.repo.createRecord(input)).data.uri);
		}
		for (const reverse of [false, true]) {
			for (const limit of [1, 5, 23, 100]) {
				const listed = [];
				let cursor;
				do {
					const page = { repo: server().did, collection, limit, cursor, reverse };
					const { data } = await agent.com.atproto.repo.listRecords(page);
					assert.ok(data.records.length <= limit);
					listed.push(...data.records.map((record) => record.uri));
					cursor = data.cursor;
				} while (cursor);
				// The keys are TIDs, so the newest is the greatest.
				assert.deepEqual(listed, reverse ? written : written.toReversed());
			}
		}
		const bare = { repo: server().did, collection, limit: 1 };
		const { data } = await agent.com.atproto.repo.listRecords(bare);
		assert.equal(data.cursor, parseUri(written.at(-1)).rkey);
	});

	test("describes the repository without empty collections", async () => {
		const agent = await ownersAgent();
		const repo = server().did;
		const input = { repo, collection: "com.example.gone", record: {} };
		const { data: gone } = await agent.com.atproto.repo.createRecord(input);
		const before = (await agent.com.atproto.repo.describeRepo({ repo })).data;
		assert.ok(before.collections.includes("com.example.gone"));
		await agent.com.atproto.repo.deleteRecord(parseUri(gone.uri));
		const { data } = await agent.com.atproto.repo.describeRepo({ repo: server().handle });
		assert.deepEqual(data.collections, ["app.bsky.actor.profile", "com.example.page"]);
		assert.equal(data.did, repo);
		assert.equal(data.handle, server().handle);
		assert.equal(data.handleIsCorrect, true);
		assert.equal(data.didDoc.service[0].serviceEndpoint, server().url);
	});

	test("describes the server and resolves the handle", async () => {
		const agent = newAgent();
		const { data } = await agent.com.atproto.server.describeServer();
		assert.equal(data.inviteCodeRequired, true);
		assert.match(data.did, /^did:web:/);
		for (const handle of [server().handle, server().handle.toUpperCase()]) {
			const resolved = await agent.com.atproto.identity.resolveHandle({ handle });
			assert.equal(resolved.data.did, server().did);
		}
		await assert.rejects(agent.com.atproto.identity.resolveHandle({ handle: "bob.test" }), {
			status: 400,
			message: "Unable to resolve handle",
		});
	});

	test("gets the repository's status and finds it in the list", async () => {
		const agent = newAgent();
		const { did } = server();
		const { data: head } = await agent.com.atproto.sync.getLatestCommit({ did });
		const { data: status } = await agent.com.atproto.sync.getRepoStatus({ did });
		assert.deepEqual(status, { did, active: true, rev: head.rev });
		const { data: list } = await agent.com.atproto.sync.listRepos();
		assert.deepEqual(list.repos, [{ did, head: head.cid, rev: head.rev, active: true }]);
	});

	test("refreshes: a token has one successor, however often it is used", async () => {
		const refresh = async (token) =>
			(await procedure(server(), "com.atproto.server.refreshSession", undefined, token)).expect();
		const first = await signIn(server());
		const racing = await Promise.all([1, 2, 3].map(() => refresh(first.refreshJwt)));
		racing.push(await refresh(first.refreshJwt));
		const names = new Set(racing.map((session) => claims(session.refreshJwt).jti));
		assert.equal(names.size, 1);
		const [second] = racing;
		assert.notEqual(claims(second.refreshJwt).jti, claims(first.refreshJwt).jti);
		assert.equal(second.did, first.did);
		assert.equal(second.handle, first.handle);
		const third = await refresh(second.refreshJwt);
		assert.notEqual(claims(third.refreshJwt).jti, claims(second.refreshJwt).jti);
		const { iat, exp } = claims(third.accessJwt);
		assert.equal(exp - iat, 2 * 60 * 60);
		const refreshed = claims(third.refreshJwt);
		assert.equal(refreshed.exp - refreshed.iat, 90 * 24 * 60 * 60);
	});

	test("signs out: both tokens are revoked at once, and other sessions stay", async () => {
		const other = await signedIn();
		const agent = await signedIn();
		const { accessJwt, refreshJwt } = agent.session;
		await agent.logout();
		for (const answer of [
			await query(server(), "com.atproto.server.getSession", {}, accessJwt),
			await procedure(server(), "com.atproto.server.refreshSession", undefined, refreshJwt),
		]) {
			assert.equal(answer.status, 400);
			assert.deepEqual(answer.json, { error: "ExpiredToken", message: "Token has been revoked" });
		}
		await other.com.atproto.server.getSession();
	});
});

/** Returns the parameters that name the record of an AT-URI. */
function parseUri(uri) {
	const [, , repo, collection, rkey] = uri.split("/");
	return { repo, collection, rkey };
}

/** Returns the claims of a token. */
function claims(token) {
	return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
}

/** Returns a value after a round trip through JSON. */
function plain(value) {
	return JSON.parse(JSON.stringify(value));
}
