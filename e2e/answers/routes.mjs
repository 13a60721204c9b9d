// The methods of `pds/src/routes.rs`, with their parameters and inputs.

/** A collection without a known schema. */
export const NOTE = "com.example.note";
export const POST = "app.bsky.feed.post";
export const LIKE = "app.bsky.feed.like";
export const REPOST = "app.bsky.feed.repost";
export const FOLLOW = "app.bsky.graph.follow";
export const PROFILE = "app.bsky.actor.profile";
/** A time long before the run. */
export const THEN = "2024-01-01T00:00:00.000Z";
/** A TID of June 2023. */
export const OLD_TID = "3jzfcijpj2z2a";
/** Well-formed CIDs of no existing block or blob. */
export const OTHER_CID = "bafyreihyrpefhacm6kkp4ql6j6udakdit7g3dmkzfriqfykhjw6cad5lrm";
export const RAW_CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
export const OTHER_DID = "did:web:other.test";

/** Queries and their parameters, with a valid value and invalid ones for each. */
export const QUERIES = {
	"com.atproto.identity.resolveHandle": {
		required: { handle: "alice.test" },
		bad: { handle: ["x", "alice_test", "did:web:pds.test", "a".repeat(254), "bob.test"] },
	},
	"com.atproto.repo.describeRepo": {
		required: { repo: "did:web:pds.test" },
		bad: {
			repo: ["nobody", "bob.test", "did:web:other.test", "did:", "@alice.test", "ALICE.test"],
		},
	},
	"com.atproto.repo.getRecord": {
		required: { repo: "did:web:pds.test", collection: NOTE, rkey: "a" },
		optional: { cid: OTHER_CID },
		bad: {
			repo: ["nobody", "bob.test", "did:web:other.test"],
			collection: ["notes", "com.example", "com.example.*", "com.example.none"],
			rkey: ["a/b", ".", "..", "k".repeat(513), "none", "~", "a:b"],
			cid: ["nothing", "Qm", RAW_CID],
		},
	},
	"com.atproto.repo.listMissingBlobs": {
		owner: true,
		required: {},
		optional: { limit: "10", cursor: RAW_CID },
		bad: { limit: ["0", "1001", "-1", "x", "1.5", "01", "+1", "1e3"], cursor: ["nothing", "b"] },
	},
	"com.atproto.repo.listRecords": {
		required: { repo: "did:web:pds.test", collection: NOTE },
		optional: { limit: "2", cursor: "b", reverse: "true" },
		bad: {
			repo: ["nobody", "bob.test", "did:web:other.test"],
			collection: ["notes", "com.example", "com.example.none"],
			limit: ["0", "101", "-1", "x", "1.5", " 1", "99999999999999999999"],
			cursor: ["a/b", "", "\u{0}"],
			reverse: ["maybe", "1", "TRUE", "yes"],
		},
	},
	"com.atproto.server.checkAccountStatus": { owner: true, required: {} },
	"com.atproto.server.describeServer": { required: {} },
	"com.atproto.server.getAccountStatus": { owner: true, required: {} },
	"com.atproto.server.getSession": { owner: true, required: {} },
	"com.atproto.sync.getBlob": {
		required: { did: "did:web:pds.test", cid: RAW_CID },
		bad: { did: [OTHER_DID, "alice.test"], cid: ["nothing", OTHER_CID] },
	},
	"com.atproto.sync.getBlocks": {
		required: { did: "did:web:pds.test", cids: OTHER_CID },
		bad: { did: [OTHER_DID, "alice.test"], cids: ["nothing"] },
	},
	"com.atproto.sync.getCheckout": {
		required: { did: "did:web:pds.test" },
		bad: { did: [OTHER_DID, "alice.test"] },
	},
	"com.atproto.sync.getHead": {
		required: { did: "did:web:pds.test" },
		bad: { did: [OTHER_DID, "alice.test"] },
	},
	"com.atproto.sync.getLatestCommit": {
		required: { did: "did:web:pds.test" },
		bad: { did: [OTHER_DID, "alice.test", "did:web:PDS.test", "did:web:pds.test#x"] },
	},
	"com.atproto.sync.getRecord": {
		required: { did: "did:web:pds.test", collection: NOTE, rkey: "a" },
		optional: { commit: OTHER_CID },
		bad: {
			did: [OTHER_DID, "alice.test"],
			collection: ["notes", "com.example.none"],
			rkey: ["a/b", "none"],
			commit: ["nothing"],
		},
	},
	"com.atproto.sync.getRepo": {
		required: { did: "did:web:pds.test" },
		optional: { since: OLD_TID },
		bad: { did: [OTHER_DID, "alice.test"], since: ["abc", "3JZFCIJPJ2Z2A", "zzzzzzzzzzzzz"] },
	},
	"com.atproto.sync.getRepoStatus": {
		required: { did: "did:web:pds.test" },
		bad: { did: [OTHER_DID, "alice.test"] },
	},
	"com.atproto.sync.listBlobs": {
		required: { did: "did:web:pds.test" },
		optional: { since: OLD_TID, limit: "10", cursor: RAW_CID },
		bad: {
			did: [OTHER_DID, "alice.test"],
			since: ["abc"],
			limit: ["0", "1001", "x"],
			cursor: ["nothing"],
		},
	},
	"com.atproto.sync.listRepos": {
		required: {},
		optional: { limit: "10" },
		bad: { limit: ["0", "1001", "x"], cursor: ["abc", "did:web:pds.test"] },
	},
	"com.atproto.sync.subscribeRepos": {
		required: {},
		bad: { cursor: ["abc", "-1", "1.5", "9007199254740992"] },
	},
};

/** Procedures with a JSON input, and a valid input of each. */
export const PROCEDURES = {
	"com.atproto.repo.applyWrites": {
		owner: true,
		input: { repo: "did:web:pds.test", validate: false, writes: [], swapCommit: OTHER_CID },
		required: ["repo", "writes"],
	},
	"com.atproto.repo.createRecord": {
		owner: true,
		input: {
			repo: "did:web:pds.test",
			collection: NOTE,
			rkey: "a",
			validate: false,
			record: {},
			swapCommit: OTHER_CID,
		},
		required: ["repo", "collection", "record"],
	},
	"com.atproto.repo.deleteRecord": {
		owner: true,
		input: {
			repo: "did:web:pds.test",
			collection: NOTE,
			rkey: "a",
			swapRecord: OTHER_CID,
			swapCommit: OTHER_CID,
		},
		required: ["repo", "collection", "rkey"],
	},
	"com.atproto.repo.putRecord": {
		owner: true,
		input: {
			repo: "did:web:pds.test",
			collection: NOTE,
			rkey: "a",
			validate: false,
			record: {},
			swapRecord: OTHER_CID,
			swapCommit: OTHER_CID,
		},
		required: ["repo", "collection", "rkey", "record"],
	},
	"com.atproto.server.createSession": {
		input: { identifier: "bob.test", password: "wrong" },
		required: ["identifier", "password"],
	},
	"com.atproto.server.deactivateAccount": {
		owner: true,
		// Not a time, so that no call takes effect.
		input: { deleteAfter: "tomorrow" },
		required: [],
	},
	"com.atproto.sync.notifyOfUpdate": {
		input: { hostname: "pds.test" },
		required: ["hostname"],
	},
	"com.atproto.sync.requestCrawl": {
		input: { hostname: "pds.test" },
		required: ["hostname"],
	},
};

/** Procedures without an input or with a binary one. */
export const OTHERS = {
	"com.atproto.repo.importRepo": "bytes",
	"com.atproto.repo.uploadBlob": "bytes",
	"com.atproto.server.activateAccount": "nothing",
	"com.atproto.server.deleteSession": "nothing",
	"com.atproto.server.refreshSession": "nothing",
};

/** Operator methods. */
export const COMMANDS = {
	claim: "POST",
	"emit-identity": "POST",
	heal: "POST",
	relays: "GET",
	reset: "POST",
	verify: "GET",
};

/** Protocol methods that are not served. */
export const UNSERVED = [
	"app.bsky.actor.getPreferences",
	"app.bsky.actor.putPreferences",
	"app.bsky.feed.getTimeline",
	"app.bsky.unspecced.getConfig",
	"chat.bsky.convo.listConvos",
	"com.atproto.admin.getAccountInfo",
	"com.atproto.identity.getRecommendedDidCredentials",
	"com.atproto.identity.requestPlcOperationSignature",
	"com.atproto.identity.resolveDid",
	"com.atproto.identity.submitPlcOperation",
	"com.atproto.identity.updateHandle",
	"com.atproto.label.queryLabels",
	"com.atproto.moderation.createReport",
	"com.atproto.server.createAccount",
	"com.atproto.server.createAppPassword",
	"com.atproto.server.deleteAccount",
	"com.atproto.server.getServiceAuth",
	"com.atproto.server.listAppPasswords",
	"com.atproto.server.requestPasswordReset",
	"com.atproto.sync.getHostStatus",
	"com.atproto.sync.listHosts",
	"com.atproto.sync.listReposByCollection",
	"com.atproto.temp.checkSignupQueue",
	"com.example.nothing.here",
];
