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
