//! The SHA extensions of x86-64, several messages at a time.
//!
//! Terminology: an instruction does two rounds, and it takes the words of a state as ABEF and CDGH,
//! the first letter being the highest word of the register.
//!
//! Tricky bits: two rounds have to wait for the two before, and the unit could do twice as many in
//! that time. So the lanes take turns, group by group of four rounds. There are more words than
//! registers, and what the compiler makes of another order of the same statements may be half as
//! fast: measure any change, at each number of lanes.

use core::arch::x86_64::{
    __m128i, _MM_HINT_T0, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128,
    _mm_prefetch, _mm_set_epi64x, _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32,
    _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_storeu_si128,
};
use core::ptr;

use crate::blocks::{Block, K, State};
use crate::lanes::Kernel;

cpufeatures::new!(cpu, "sha", "sse4.1", "ssse3");

/// Shows that the processor has the SHA extensions: there is no other way to one than
/// [`ShaNi::detect`].
#[derive(Clone, Copy)]
pub(crate) struct ShaNi(());

impl ShaNi {
    /// Returns the proof, on a processor for which there is one.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        cpu::get().then_some(Self(()))
    }
}

impl Kernel for ShaNi {
    #[inline]
    fn compress<const N: usize>(self, states: &mut [State; N], blocks: [&[Block]; N]) {
        // SAFETY: all that `compress` asks for is a processor with its target features, and `self`
        // is there only if this processor was found to have them.
        unsafe { compress(states, blocks) }
    }
}

/// Prefetches each line of some values.
#[inline]
pub(crate) fn prefetch<T>(values: &[T]) {
    let (start, bytes) = (values.as_ptr().cast::<u8>(), size_of_val(values));
    let line = |at| {
        // SAFETY: a prefetch reads nothing that could be seen and faults at no address; and every
        // x86-64 processor has the instruction.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) }
    };
    let mut at = 0;
    while at < bytes {
        line(at);
        at += LINE_BYTES;
    }
    // What begins in the middle of a line reaches one line further.
    line(bytes.saturating_sub(1));
}

/// What memory comes in.
const LINE_BYTES: usize = 64;

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn compress<const N: usize>(states: &mut [State; N], blocks: [&[Block]; N]) {
    let mut abef = [_mm_setzero_si128(); N];
    let mut cdgh = [_mm_setzero_si128(); N];
    for lane in 0..N {
        [abef[lane], cdgh[lane]] = loaded(&states[lane]);
    }
    for at in 0..blocks[0].len() {
        let before = (abef, cdgh);
        let mut words = [[_mm_setzero_si128(); 4]; N];
        rounds::<0, N>(&mut abef, &mut cdgh, &mut words, blocks, at);
        rounds::<1, N>(&mut abef, &mut cdgh, &mut words, blocks, at);
        rounds::<2, N>(&mut abef, &mut cdgh, &mut words, blocks, at);
        rounds::<3, N>(&mut abef, &mut cdgh, &mut words, blocks, at);
        for lane in 0..N {
            abef[lane] = _mm_add_epi32(abef[lane], before.0[lane]);
            cdgh[lane] = _mm_add_epi32(cdgh[lane], before.1[lane]);
        }
    }
    for lane in 0..N {
        store(&mut states[lane], abef[lane], cdgh[lane]);
    }
}

/// Does the rounds of one quarter. The first fills `words` from the blocks at `at`, the others
/// move the schedule on.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn rounds<const QUARTER: usize, const N: usize>(
    abef: &mut [__m128i; N],
    cdgh: &mut [__m128i; N],
    words: &mut [[__m128i; 4]; N],
    blocks: [&[Block]; N],
    at: usize,
) {
    for group in 0..4 {
        let mut sums = [_mm_setzero_si128(); N];
        for lane in 0..N {
            let words = &mut words[lane];
            let word = |age| words[(group + age) % 4];
            words[group] = match QUARTER {
                0 => words_at(&blocks[lane][at], group),
                _ => scheduled(word(0), word(1), word(2), word(3)),
            };
            sums[lane] = _mm_add_epi32(words[group], load_words(&K[4 * QUARTER + group]));
            // What comes out of two rounds is the new ABEF, and the old one is the new CDGH.
            cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], sums[lane]);
        }
        for lane in 0..N {
            let high = _mm_shuffle_epi32::<0b00_00_11_10>(sums[lane]);
            abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], high);
        }
    }
}

/// Returns the four words of the schedule that follow sixteen, given from the oldest on.
#[inline]
#[target_feature(enable = "sha,ssse3")]
fn scheduled(oldest: __m128i, older: __m128i, newer: __m128i, newest: __m128i) -> __m128i {
    let sum = _mm_sha256msg1_epu32(oldest, older);
    let sum = _mm_add_epi32(sum, _mm_alignr_epi8::<4>(newest, newer));
    _mm_sha256msg2_epu32(sum, newest)
}

/// Returns four words of a block.
#[inline]
#[target_feature(enable = "ssse3")]
fn words_at(block: &Block, group: usize) -> __m128i {
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm_shuffle_epi8(load_bytes(&block.as_chunks().0[group]), swap)
}

/// Returns ABEF and CDGH.
#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn loaded(state: &State) -> [__m128i; 2] {
    let [first, second] = [&state.as_chunks().0[0], &state.as_chunks().0[1]];
    let cdab = _mm_shuffle_epi32::<0xb1>(load_words(first));
    let efgh = _mm_shuffle_epi32::<0x1b>(load_words(second));
    [_mm_alignr_epi8::<8>(cdab, efgh), _mm_blend_epi16::<0xf0>(efgh, cdab)]
}

#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn store(state: &mut State, abef: __m128i, cdgh: __m128i) {
    let feba = _mm_shuffle_epi32::<0x1b>(abef);
    let dchg = _mm_shuffle_epi32::<0xb1>(cdgh);
    let (first, second) = state.split_at_mut(4);
    if let (Some(first), Some(second)) = (first.first_chunk_mut(), second.first_chunk_mut()) {
        store_words(first, _mm_blend_epi16::<0xf0>(feba, dchg));
        store_words(second, _mm_alignr_epi8::<8>(dchg, feba));
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_bytes(from: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is to the 16 bytes that are read; the load asks for no alignment.
    unsafe { _mm_loadu_si128(ptr::from_ref(from).cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_words(from: &[u32; 4]) -> __m128i {
    // SAFETY: the reference is to the 16 bytes that are read; the load asks for no alignment.
    unsafe { _mm_loadu_si128(ptr::from_ref(from).cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn store_words(to: &mut [u32; 4], words: __m128i) {
    // SAFETY: the reference is to the 16 bytes that are written, of which any are words; the store
    // asks for no alignment.
    unsafe { _mm_storeu_si128(ptr::from_mut(to).cast(), words) }
}
