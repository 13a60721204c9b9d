// What the platform itself takes: a Worker and an object with SQLite that do as little as they can. The
// names are those that `e2e/workerd.mjs` configures.

import { DurableObject } from "cloudflare:workers";

export default {
	async fetch(request, env) {
		if (new URL(request.url).pathname === "/robots.txt") return new Response("User-agent: *\n");
		return env.ACCOUNT.get(env.ACCOUNT.idFromName("account")).fetch(request);
	},
};

export class AccountDurableObject extends DurableObject {
	constructor(context, env) {
		super(context, env);
		this.sql = context.storage.sql;
		this.sql.exec("create table if not exists record (id integer primary key, body text not null)");
		this.sql.exec("insert or ignore into record values (1, ?)", JSON.stringify(RECORD));
	}

	async fetch(request) {
		switch (new URL(request.url).pathname) {
			case "/select": {
				const { body } = this.sql.exec("select body from record where id = ?", 1).one();
				return new Response(body, { headers: { "content-type": "application/json" } });
			}
			case "/insert": {
				this.sql.exec("insert into record (body) values (?)", await request.text());
				return Response.json(RECORD);
			}
			default:
				return Response.json(RECORD);
		}
	}
}

const RECORD = {
	cid: "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a",
	rev: "3m6abcdefgh2a",
};
