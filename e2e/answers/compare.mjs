// Compares two recordings.

/**
 * Compares two recordings by the names of their requests.
 *
 * @param {any[]} before
 * @param {any[]} after
 * @returns {{ text: string, isEqual: boolean }}
 */
export function compare(before, after) {
	const differences = [];
	const reworded = [];
	const later = new Map(after.map((entry) => [entry.name, entry]));
	for (const entry of before) {
		const other = later.get(entry.name);
		later.delete(entry.name);
		if (!other) {
			differences.push(`- ${entry.name}: only in the first recording`);
		} else if (!isSame(entry, other)) {
			const messages = changedMessages(entry, other);
			if (messages)
				reworded.push(...messages.map((message) => `reworded: ${entry.name}: ${message}`));
			else differences.push(`= ${entry.name}\n${unified(lines(entry), lines(other))}`);
		}
	}
	for (const name of later.keys()) differences.push(`+ ${name}: only in the second recording`);
	const order = (entries) => entries.map(({ name }) => name).join("\n");
	if (differences.length === 0 && order(before) !== order(after)) {
		differences.push("the order of the requests differs");
	}
	const count = `${before.length} answers before, ${after.length} after: ${differences.length} different, ${reworded.length} reworded`;
	return {
		text: [...differences, ...reworded, count].join("\n"),
		isEqual: differences.length === 0,
	};
}

/** Returns the changed messages if nothing else has changed. */
function changedMessages(before, after) {
	const [[plainBefore, old], [plainAfter, now]] = [before, after].map(withoutMessages);
	if (!isSame(plainBefore, plainAfter) || old.length !== now.length) return undefined;
	return old.flatMap((message, index) =>
		message === now[index] ? [] : `${JSON.stringify(message)} → ${JSON.stringify(now[index])}`,
	);
}

/** Returns an entry without its error messages, and the messages. */
function withoutMessages(entry) {
	const messages = [];
	const plain = JSON.parse(JSON.stringify(entry));
	const visit = (value) => {
		if (typeof value !== "object" || value === null) return;
		if (typeof (value.error ?? value.name) === "string" && typeof value.message === "string") {
			messages.push(value.message);
			value.message = "";
		}
		Object.values(value).forEach(visit);
	};
	visit(plain.answer.body);
	// The length depends on the message, which an answer to HEAD leaves out.
	const { status, headers } = plain.answer;
	const length = headers?.["content-length"];
	if (plain.request.method === "HEAD" && status >= 400 && length) messages.push(`${length} bytes`);
	if (messages.length > 0 && length) headers["content-length"] = "";
	return [plain, messages];
}

/** Returns an entry as lines of indented JSON. */
function lines(entry) {
	return JSON.stringify(entry, null, 2).split("\n");
}

/** Returns a unified diff of lines, with some context. */
function unified(before, after) {
	const common = commonLines(before, after);
	const diff = [];
	let [a, b] = [0, 0];
	for (const [nextA, nextB] of [...common, [before.length, after.length]]) {
		while (a < nextA) diff.push(`-${before[a++]}`);
		while (b < nextB) diff.push(`+${after[b++]}`);
		if (a < before.length) diff.push(` ${before[a]}`);
		[a, b] = [nextA + 1, nextB + 1];
	}
	const isNear = (at) =>
		diff.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some((line) => !line.startsWith(" "));
	const shown = diff.map((line, at) => (isNear(at) ? line : undefined));
	return shown
		.map((line, at) => line ?? (shown[at - 1] === undefined && at > 0 ? undefined : "  …"))
		.filter((line) => line !== undefined)
		.join("\n");
}

/** Returns the index pairs of a longest common subsequence. */
function commonLines(before, after) {
	let start = 0;
	while (start < before.length && start < after.length && before[start] === after[start]) start++;
	let end = 0;
	while (
		end < Math.min(before.length, after.length) - start &&
		before[before.length - 1 - end] === after[after.length - 1 - end]
	) {
		end++;
	}
	const pairs = Array.from({ length: start }, (_, n) => [n, n]);
	const rest = [before.slice(start, before.length - end), after.slice(start, after.length - end)];
	// Long differences are shown as all old lines, then all new lines.
	if (rest[0].length * rest[1].length < MAX_CELLS) {
		pairs.push(...subsequence(...rest).map(([a, b]) => [a + start, b + start]));
	}
	for (let n = end; n > 0; n--) pairs.push([before.length - n, after.length - n]);
	return pairs;
}

function subsequence(a, b) {
	const width = b.length + 1;
	const lengths = new Uint32Array((a.length + 1) * width);
	for (let i = a.length - 1; i >= 0; i--) {
		for (let j = b.length - 1; j >= 0; j--) {
			lengths[i * width + j] =
				a[i] === b[j]
					? lengths[(i + 1) * width + j + 1] + 1
					: Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
		}
	}
	const pairs = [];
	let [i, j] = [0, 0];
	while (i < a.length && j < b.length) {
		if (a[i] === b[j]) pairs.push([i++, j++]);
		else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) i++;
		else j++;
	}
	return pairs;
}

function isSame(a, b) {
	return JSON.stringify(a) === JSON.stringify(b);
}

const CONTEXT = 3;
const MAX_CELLS = 20_000_000;
