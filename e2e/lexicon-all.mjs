// A record with a property for each feature of schemas.

const object = (properties, required = []) => ({ type: "object", properties, required });
const string = (rest = {}) => ({ type: "string", ...rest });

/** All string formats. */
const FORMATS = [
	"at-identifier",
	"at-uri",
	"cid",
	"datetime",
	"did",
	"handle",
	"language",
	"nsid",
	"record-key",
	"tid",
	"uri",
];

export const ALL = {
	lexicon: 1,
	id: "com.example.all",
	defs: {
		main: {
			type: "record",
			key: "any",
			record: {
				...object(
					{
						...Object.fromEntries(FORMATS.map((format) => [format, string({ format })])),
						arrayAny: { type: "array", items: { type: "unknown" } },
						arrayLimits: { type: "array", minLength: 2, maxLength: 4, items: string() },
						arrayNested: {
							type: "array",
							maxLength: 3,
							items: { type: "array", items: { type: "integer", maximum: 9 } },
						},
						arrayRefs: { type: "array", items: { type: "ref", ref: "com.example.all#small" } },
						blobAny: { type: "blob" },
						blobLimits: { type: "blob", accept: ["image/*", "text/plain"], maxSize: 1000 },
						booleanAny: { type: "boolean" },
						booleanConst: { type: "boolean", const: true },
						booleanDefault: { type: "boolean", default: false },
						bytesAny: { type: "bytes" },
						bytesLimits: { type: "bytes", minLength: 2, maxLength: 5 },
						integerAny: { type: "integer" },
						integerConst: { type: "integer", const: 42 },
						integerDefault: { type: "integer", default: 7, maximum: 9 },
						integerEnum: { type: "integer", enum: [4, 9, 16] },
						integerLimits: { type: "integer", minimum: -3, maximum: 1000 },
						link: { type: "cid-link" },
						nestedNullable: {
							...object({ one: string(), two: { type: "integer" } }, ["one", "two"]),
							nullable: ["two"],
						},
						nestedObject: object({ inner: object({ deep: { type: "boolean" } }, ["deep"]) }, [
							"inner",
						]),
						nullable: string({ maxLength: 5 }),
						refSmall: { type: "ref", ref: "com.example.all#small" },
						refText: { type: "ref", ref: "com.example.all#text" },
						required: string(),
						requiredDefault: { type: "integer", default: 3 },
						stringAny: string(),
						stringConst: string({ const: "abc" }),
						stringEnum: string({ enum: ["a", "b", "ccc"] }),
						stringGraphemes: string({ minGraphemes: 2, maxGraphemes: 6 }),
						stringKnown: string({ knownValues: ["a", "b"], maxLength: 30 }),
						stringLength: string({ minLength: 2, maxLength: 12 }),
						stringLimits: string({ maxLength: 40, maxGraphemes: 8 }),
						unionClosed: {
							type: "union",
							refs: ["com.example.all#small", "com.example.all#large"],
							closed: true,
						},
						unionEmpty: { type: "union", refs: [] },
						unionOpen: { type: "union", refs: ["com.example.all#small", "com.example.all#large"] },
						unknown: { type: "unknown" },
					},
					["required", "requiredDefault", "integerLimits"],
				),
				nullable: ["nullable"],
			},
		},
		large: object({ items: { type: "array", items: string({ maxLength: 9 }), minLength: 1 } }, [
			"items",
		]),
		small: object({ a: { type: "integer" }, b: string({ maxLength: 3 }) }, ["a"]),
		text: { type: "string", maxLength: 8 },
	},
};
