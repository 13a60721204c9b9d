//! Messages as blocks, digests from states: [FIPS 180-4](https://csrc.nist.gov/pubs/fips/180-4/upd1/final),
//! sections 5 and 6.2.

/// What SHA-256 takes in at once.
pub(crate) type Block = [u8; 64];

/// The eight words that a message is hashed into, from a to h.
pub(crate) type State = [u32; 8];

/// Room for the padded end of a message: the last block, or the last two.
pub(crate) type Tail = [Block; 2];

/// The state before the first block.
pub(crate) const START: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A tail to be filled.
pub(crate) const BLANK: Tail = [[0; 64]; 2];

/// Returns the whole blocks of a message, and the index in `tail` at which the rest of it begins
/// and goes to the end, padded.
#[inline]
pub(crate) fn split<'m>(message: &'m [u8], tail: &mut Tail) -> (&'m [Block], usize) {
    let (body, rest) = message.as_chunks();
    let first = if rest.len() + MARK_AND_LENGTH <= size_of::<Block>() {
        tail[1] = [0; 64];
        1
    } else {
        *tail = BLANK;
        0
    };
    copy_short(&mut tail[first], rest);
    tail[first][rest.len()] = 0x80;
    let bytes = u64::try_from(message.len()).expect("no slice has 2^64 bytes");
    // No slice has 2^61 bytes either.
    tail[1][56..].copy_from_slice(&(bytes << 3).to_be_bytes());
    (body, first)
}

/// Returns the digest that the state after the last block is.
#[inline]
pub(crate) fn digest_of(state: &State) -> [u8; 32] {
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// Copies less than a block. For a message of a few blocks, the call that a copy of any length is
/// would count; copies of a fixed length are a few instructions.
#[inline]
fn copy_short(block: &mut Block, rest: &[u8]) {
    let copied = copy_ends::<32>(block, rest)
        || copy_ends::<16>(block, rest)
        || copy_ends::<8>(block, rest)
        || copy_ends::<4>(block, rest);
    if !copied {
        block[..rest.len()].copy_from_slice(rest);
    }
}

/// Copies the first and the last `N` bytes, which is everything where they meet or overlap; or
/// nothing where there are fewer.
#[inline]
fn copy_ends<const N: usize>(block: &mut Block, rest: &[u8]) -> bool {
    let (Some(first), Some(last)) = (rest.first_chunk::<N>(), rest.last_chunk::<N>()) else {
        return false;
    };
    block[..N].copy_from_slice(first);
    block[rest.len() - N..rest.len()].copy_from_slice(last);
    true
}

/// The byte that ends a message and the eight of its length in bits.
const MARK_AND_LENGTH: usize = 9;

/// The constants of the rounds, by fours.
pub(crate) const K: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];
