//! Four messages at a time by vectors of four words.
//!
//! Tricky bits: the loops are left as loops. Engines compile the sixteen rounds written out to
//! slower code, as there are more words than registers.

use core::{array, iter};

use sha2::block_api::compress256;

use crate::blocks::{Block, K, State};
use crate::lanes::{Kernel, LANES};
use crate::words::Words;

#[derive(Clone, Copy)]
pub(crate) struct Quad;

impl Kernel for Quad {
    fn compress<const N: usize>(self, states: &mut [State; N], blocks: [&[Block]; N]) {
        match (states.first_chunk_mut(), blocks.first_chunk()) {
            (Some(states), Some(blocks)) => compress(states, blocks),
            // Four cost more than three one by one.
            _ => iter::zip(states, blocks).for_each(|(state, blocks)| compress256(state, blocks)),
        }
    }
}

fn compress(states: &mut [State; LANES], blocks: &[&[Block]; LANES]) {
    let mut state = array::from_fn(|at| Words::new(states.map(|state| state[at])));
    for at in 0..blocks[0].len() {
        let mut words = [Words::splat(0); 16];
        for (group, words) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *words = Words::read(blocks.map(|blocks| &blocks[at].as_chunks().0[group]));
        }
        let before = state;
        for (quarter, constants) in K.as_chunks::<4>().0.iter().enumerate() {
            for (round, constant) in constants.as_flattened().iter().enumerate() {
                if quarter > 0 {
                    words[round] = scheduled(&words, round);
                }
                state = rounded(state, words[round], Words::splat(*constant));
            }
        }
        state = array::from_fn(|at| state[at].plus(before[at]));
    }
    for (at, words) in state.into_iter().enumerate() {
        for (state, word) in states.iter_mut().zip(words.to_array()) {
            state[at] = word;
        }
    }
}

/// Returns the words that take the place of those at `round`, sixteen rounds later.
#[inline]
fn scheduled(words: &[Words; 16], round: usize) -> Words {
    let [one, nine, fourteen] = [1, 9, 14].map(|later| words[(round + later) % 16]);
    let low = one.rotated(7).xor(one.rotated(18)).xor(one.shifted(3));
    let high = fourteen.rotated(17).xor(fourteen.rotated(19)).xor(fourteen.shifted(10));
    words[round].plus(low).plus(nine.plus(high))
}

/// Returns the state after a round.
#[inline]
fn rounded([a, b, c, d, e, f, g, h]: [Words; 8], word: Words, constant: Words) -> [Words; 8] {
    let sum = e.rotated(6).xor(e.rotated(11)).xor(e.rotated(25));
    let first = h.plus(constant).plus(word).plus(sum.plus(e.choose(f, g)));
    let sum = a.rotated(2).xor(a.rotated(13)).xor(a.rotated(22));
    // The majority: with a, one more is enough; without it, both others.
    let second = sum.plus(a.choose(b.or(c), b.and(c)));
    [first.plus(second), a, b, c, d.plus(first), e, f, g]
}
