// Known differences between `nacre-lexicon` and `@atproto/lexicon`, with reasons.

import { isDatetimeString } from "@atproto/syntax";

/**
 * @typedef {{ ours: string, theirs: string, record: any }} Difference The verdicts on a record:
 *   `valid` or an error message.
 */

/** @type {{ name: string, is: (difference: Difference) => boolean }[]} */
export const CLASSES = [
	// Only the message differs: ours names the first missing property in DAG-CBOR order, theirs the
	// first in the order of the schema.
	{
		name: "the missing property in a message",
		is: ({ ours, theirs }) =>
			MISSING.test(ours) && MISSING.test(theirs) && pathOf(ours) === pathOf(theirs),
	},
	{
		name: "the order of the types in a message",
		is: ({ ours, theirs }) => {
			const types = (message) => TYPES.exec(message)?.[1].split(", ").sort().join();
			return types(ours) !== undefined && types(ours) === types(theirs);
		},
	},
	// Theirs treats all of these as objects without properties, and accepts anything for `unknown`.
	{
		name: "an array, bytes, a link or a blob for an object",
		is: ({ ours, theirs, record }) => {
			if (!ours.endsWith(" must be an object")) return false;
			const value = valueAt(record, ours);
			const isOther = Array.isArray(value) || "$bytes" in value || "$link" in value;
			const missing = MISSING.test(theirs) && pathOf(ours) === pathOf(theirs);
			return (isOther || value.$type === "blob") && (missing || theirs === "valid");
		},
	},
	// Theirs accepts anything that `Date` parses, although its own check of the format is strict.
	{
		name: "invalid datetimes",
		is: ({ ours, theirs, record }) =>
			DATETIME.test(ours) && theirs === "valid" && !isDatetimeString(valueAt(record, ours)),
	},
	// `Date` parses it as the next day.
	{
		name: "February 29 in a common year",
		is: ({ ours, theirs, record }) => {
			if (!DATETIME.test(ours) || theirs !== "valid") return false;
			const [, year] = /^(\d{4})-02-29T/.exec(valueAt(record, ours)) ?? [];
			return year && new Date(`${year}-03-01`) - new Date(`${year}-02-28`) === DAY;
		},
	},
	// Ours follows the loose grammar of the interop suite for text. Links are parsed.
	{
		name: "text that looks like a CID",
		is: ({ ours, theirs, record }) =>
			ours === "valid" &&
			theirs.endsWith(" must be a cid string") &&
			/^[A-Za-z0-9+]{8,256}$/.test(valueAt(record, theirs)),
	},
	{
		name: "URIs whose scheme has a plus, a dot or a hyphen",
		is: ({ ours, theirs, record }) =>
			ours === "valid" &&
			theirs.endsWith(" must be a uri") &&
			/^[a-z][a-z0-9]*[+.-][a-z0-9+.-]*:(\/\/)?[^\s/]\S*$/i.test(valueAt(record, theirs)),
	},
	{
		name: "URIs whose scheme has an underscore, or begins with a digit",
		is: ({ ours, theirs, record }) =>
			ours.endsWith(" must be a uri") &&
			theirs === "valid" &&
			/^(\d\w*|\w*_\w*):/.test(valueAt(record, ours)),
	},
	{
		name: "URIs with a control character",
		is: ({ ours, theirs, record }) =>
			ours.endsWith(" must be a uri") &&
			theirs === "valid" &&
			/^[^:]+:.*\p{Cc}/u.test(valueAt(record, ours)),
	},
	{
		name: "AT URIs with an invalid fragment",
		is: ({ ours, theirs, record }) =>
			ours.endsWith(" must be a valid at-uri") &&
			theirs === "valid" &&
			/^[^#]+#\//.test(valueAt(record, ours)),
	},
	{
		name: "languages that do not begin with two or three lowercase letters",
		is: ({ ours, theirs, record }) =>
			ours.endsWith(" must be a well-formed BCP 47 language tag") &&
			theirs === "valid" &&
			!/^[a-z]{2,3}(-|$)/.test(valueAt(record, ours)),
	},
	// Theirs does not check the types and sizes of blobs.
	{
		name: "blobs of a refused type or size",
		is: ({ ours, theirs, record }) =>
			/ must (be of type \S+\/|not be larger than \d+ bytes$)/.test(ours) &&
			theirs === "valid" &&
			valueAt(record, ours).$type === "blob",
	},
	// Theirs throws an error that is not a validation error.
	{
		name: "a $type with two fragments",
		is: ({ ours, theirs }) =>
			theirs === "throws Uri can only have one hash segment" &&
			(ours === "valid" || TYPES.test(ours)),
	},
	{
		name: "a $type with the scheme lex",
		is: ({ ours, theirs, record }) =>
			TYPES.test(ours) && theirs === "valid" && valueAt(record, ours).$type.startsWith("lex:"),
	},
];

const DAY = 24 * 60 * 60 * 1000;
const DATETIME = / must be an valid atproto datetime \(both RFC-3339 and ISO-8601\)$/;
const MISSING = / must have the property "[^"]+"$/;
const TYPES = / \$type must be one of (.+)$/;

/** Returns the path in an error message. @param {string} message */
function pathOf(message) {
	return message.split(" ", 1)[0];
}

/** Returns the value that an error message is about. @param {any} record @param {string} message */
function valueAt(record, message) {
	const [, ...keys] = pathOf(message).split("/");
	return keys.reduce((value, key) => value[key], record);
}
