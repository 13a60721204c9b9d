// Where `nacre-lexicon` and `@atproto/lexicon` judge differently, and why.

export const CLASSES = [];
