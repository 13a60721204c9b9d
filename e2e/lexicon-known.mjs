// Known differences between `nacre-lexicon` and `@atproto/lexicon`, with reasons.

import { isDatetimeString } from "@atproto/syntax";

/**
 * @typedef {{ ours: string, theirs: string, record: any }} Difference What was said of a record:
 *   `valid`, or what is wrong.
 */

/** @type {{ name: string, is: (difference: Difference) => boolean }[]} */
export const CLASSES = [
	// Only the message differs. Of several properties that are missing, ours is the first in the
	// order of keys in DAG-CBOR, theirs in the order of the schema.
	{
		name: "which missing property is told",
		is: ({ ours, theirs }) =>
			MISSING.test(ours) && MISSING.test(theirs) && pathOf(ours) === pathOf(theirs),
	},
	{
		name: "the order of the types in a message",
		is: ({ ours, theirs }) => {
			const types = (told) => TYPES.exec(told)?.[1].split(", ").sort().join();
			return types(ours) !== undefined && types(ours) === types(theirs);
		},
	},
	// To them all of these are objects: one without properties, where some are required; and anything
	// goes for `unknown`.
	{
		name: "an array, bytes, a link or a blob for an object",
		is: ({ ours, theirs, record }) => {
			if (!ours.endsWith(" must be an object")) return false;
			const value = valueAt(record, ours);
			const isNone = Array.isArray(value) || "$bytes" in value || "$link" in value;
			const missing = MISSING.test(theirs) && pathOf(ours) === pathOf(theirs);
			return (isNone || value.$type === "blob") && (missing || theirs === "valid");
		},
	},
	// They take what `Date` can parse, though their own check of the format is strict.
	{
		name: "datetimes that are none",
		is: ({ ours, theirs, record }) =>
			DATETIME.test(ours) && theirs === "valid" && !isDatetimeString(valueAt(record, ours)),
	},
	// To `Date` it is the day after.
	{
		name: "the 29th of February in a year that has none",
		is: ({ ours, theirs, record }) => {
			if (!DATETIME.test(ours) || theirs !== "valid") return false;
			const [, year] = /^(\d{4})-02-29T/.exec(valueAt(record, ours)) ?? [];
			return year && new Date(`${year}-03-01`) - new Date(`${year}-02-28`) === DAY;
		},
	},
	// The grammar of the suite is loose, and does not look into a CID. A link is looked into.
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
		name: "AT URIs with a fragment that is none",
		is: ({ ours, theirs, record }) =>
			ours.endsWith(" must be a valid at-uri") &&
			theirs === "valid" &&
			/^[^#]+#\//.test(valueAt(record, ours)),
	},
	{
		name: "languages that do not begin with two or three small letters",
		is: ({ ours, theirs, record }) =>
			ours.endsWith(" must be a well-formed BCP 47 language tag") &&
			theirs === "valid" &&
			!/^[a-z]{2,3}(-|$)/.test(valueAt(record, ours)),
	},
	// Theirs does not check the types and sizes of blobs.
	{
		name: "blobs of another type or size than asked for",
		is: ({ ours, theirs, record }) =>
			/ must (be of type \S+\/|not be larger than \d+ bytes$)/.test(ours) &&
			theirs === "valid" &&
			valueAt(record, ours).$type === "blob",
	},
	// Theirs throws another error than a validation error.
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

/** Returns where something is wrong, by what is said of it. @param {string} told */
function pathOf(told) {
	return told.split(" ", 1)[0];
}

/** Returns the value that something is said of. @param {any} record @param {string} told */
function valueAt(record, told) {
	const [, ...keys] = pathOf(told).split("/");
	return keys.reduce((value, key) => value[key], record);
}
