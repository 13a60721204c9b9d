// Pseudo-random numbers that are the same in every run.

/** A 32-bit xorshift generator. */
export class Random {
	#state;

	/** @param {number} seed Any integer but 0. */
	constructor(seed) {
		this.#state = seed;
	}

	/** Returns an integer from 0 to `limit` - 1. @param {number} limit */
	below(limit) {
		this.#state ^= this.#state << 13;
		this.#state ^= this.#state >>> 17;
		this.#state ^= this.#state << 5;
		return (this.#state >>> 0) % limit;
	}

	/** Returns one of `choices`. @template T @param {T[]} choices */
	pick(choices) {
		return choices[this.below(choices.length)];
	}
}
