//! Four words at once, one of each lane.

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(crate) use array::Words;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use vector::Words;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vector {
    use core::arch::wasm32::{
        i8x16_shuffle, u32x4, u32x4_add, u32x4_extract_lane, u32x4_shl, u32x4_shr, u32x4_shuffle,
        u32x4_splat, u64x2, u64x2_shuffle, v128, v128_and, v128_bitselect, v128_or, v128_xor,
    };

    #[derive(Clone, Copy)]
    pub(crate) struct Words(v128);

    impl Words {
        #[inline]
        pub(crate) fn new([a, b, c, d]: [u32; 4]) -> Self {
            Self(u32x4(a, b, c, d))
        }

        #[inline]
        pub(crate) fn splat(word: u32) -> Self {
            Self(u32x4_splat(word))
        }

        /// Reads four words of each lane.
        #[inline]
        pub(crate) fn read(lanes: [&[u8; 16]; 4]) -> [Self; 4] {
            let [a, b, c, d] = lanes.map(big_endian);
            let (ab, cd) = (u32x4_shuffle::<0, 4, 1, 5>(a, b), u32x4_shuffle::<0, 4, 1, 5>(c, d));
            let first = u64x2_shuffle::<0, 2>(ab, cd);
            let second = u64x2_shuffle::<1, 3>(ab, cd);
            let (ab, cd) = (u32x4_shuffle::<2, 6, 3, 7>(a, b), u32x4_shuffle::<2, 6, 3, 7>(c, d));
            let third = u64x2_shuffle::<0, 2>(ab, cd);
            let fourth = u64x2_shuffle::<1, 3>(ab, cd);
            [Self(first), Self(second), Self(third), Self(fourth)]
        }

        #[inline]
        pub(crate) fn to_array(self) -> [u32; 4] {
            [
                u32x4_extract_lane::<0>(self.0),
                u32x4_extract_lane::<1>(self.0),
                u32x4_extract_lane::<2>(self.0),
                u32x4_extract_lane::<3>(self.0),
            ]
        }

        #[inline]
        pub(crate) fn plus(self, other: Self) -> Self {
            Self(u32x4_add(self.0, other.0))
        }

        #[inline]
        pub(crate) fn xor(self, other: Self) -> Self {
            Self(v128_xor(self.0, other.0))
        }

        #[inline]
        pub(crate) fn and(self, other: Self) -> Self {
            Self(v128_and(self.0, other.0))
        }

        #[inline]
        pub(crate) fn or(self, other: Self) -> Self {
            Self(v128_or(self.0, other.0))
        }

        #[inline]
        pub(crate) fn rotated(self, right: u32) -> Self {
            Self(v128_or(u32x4_shr(self.0, right), u32x4_shl(self.0, 32 - right)))
        }

        #[inline]
        pub(crate) fn shifted(self, right: u32) -> Self {
            Self(u32x4_shr(self.0, right))
        }

        /// Takes the bits of `one` where those of `self` are set, and of `zero` elsewhere.
        #[inline]
        pub(crate) fn choose(self, one: Self, zero: Self) -> Self {
            Self(v128_bitselect(one.0, zero.0, self.0))
        }
    }

    #[inline]
    fn big_endian(bytes: &[u8; 16]) -> v128 {
        let [low, high] = [bytes.as_chunks().0[0], bytes.as_chunks().0[1]].map(u64::from_le_bytes);
        let words = u64x2(low, high);
        i8x16_shuffle::<3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12>(words, words)
    }
}

/// What the vectors must do, in plain words; nothing but tests runs it.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod array {
    use core::array;

    #[derive(Clone, Copy)]
    pub(crate) struct Words([u32; 4]);

    impl Words {
        pub(crate) fn new(words: [u32; 4]) -> Self {
            Self(words)
        }

        pub(crate) fn splat(word: u32) -> Self {
            Self([word; 4])
        }

        pub(crate) fn read(lanes: [&[u8; 16]; 4]) -> [Self; 4] {
            let word = |bytes: &[u8; 16], at: usize| u32::from_be_bytes(bytes.as_chunks().0[at]);
            array::from_fn(|at| Self(lanes.map(|bytes| word(bytes, at))))
        }

        pub(crate) fn to_array(self) -> [u32; 4] {
            self.0
        }

        pub(crate) fn plus(self, other: Self) -> Self {
            self.with(other, u32::wrapping_add)
        }

        pub(crate) fn xor(self, other: Self) -> Self {
            self.with(other, |a, b| a ^ b)
        }

        pub(crate) fn and(self, other: Self) -> Self {
            self.with(other, |a, b| a & b)
        }

        pub(crate) fn or(self, other: Self) -> Self {
            self.with(other, |a, b| a | b)
        }

        pub(crate) fn rotated(self, right: u32) -> Self {
            Self(self.0.map(|word| word.rotate_right(right)))
        }

        pub(crate) fn shifted(self, right: u32) -> Self {
            Self(self.0.map(|word| word >> right))
        }

        pub(crate) fn choose(self, one: Self, zero: Self) -> Self {
            let one = self.with(one, |mask, one| mask & one);
            let zero = self.with(zero, |mask, zero| !mask & zero);
            one.with(zero, |a, b| a | b)
        }

        fn with(self, other: Self, join: impl Fn(u32, u32) -> u32) -> Self {
            Self(array::from_fn(|lane| join(self.0[lane], other.0[lane])))
        }
    }
}
