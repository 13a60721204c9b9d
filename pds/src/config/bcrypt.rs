//! bcrypt in slices:
//! <https://www.usenix.org/conference/1999-usenix-annual-technical-conference/future-adaptable-password-scheme>.

use core::task::Poll;

use blowfish::Blowfish;
use data_encoding::Specification;
use zeroize::Zeroizing;

/// A hash that is being computed.
pub(super) struct Bcrypt {
    cipher: Blowfish,
    key: Zeroizing<Vec<u8>>,
    salt: Salt,
    rounds_left: u32,
}

pub(super) type Salt = [u8; 16];
pub(super) type Digest = [u8; 23];

impl Bcrypt {
    /// Begins to hash a password, of which only the first [`MAX_PASSWORD_BYTES`] count.
    ///
    /// Takes 2^`cost` rounds; `cost` is below 32.
    pub(super) fn new(password: &[u8], cost: u32, salt: Salt) -> Self {
        // A zero ends the password, unless that would be byte 73.
        let mut key = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES));
        key.extend(password.iter().chain(&[0]).take(MAX_PASSWORD_BYTES));
        let mut cipher = Blowfish::bc_init_state();
        cipher.salted_expand_key(&salt, &key);
        Self { cipher, key, salt, rounds_left: 1 << cost }
    }

    /// Runs up to [`ROUNDS_PER_SLICE`] rounds, and returns the hash after the last.
    pub(super) fn step(&mut self) -> Poll<Digest> {
        let rounds = self.rounds_left.min(ROUNDS_PER_SLICE);
        for _ in 0..rounds {
            self.cipher.bc_expand_key(&self.key);
            self.cipher.bc_expand_key(&self.salt);
        }
        self.rounds_left -= rounds;
        if self.rounds_left > 0 { Poll::Pending } else { Poll::Ready(self.digest()) }
    }

    fn digest(&self) -> Digest {
        let mut encrypted = [0; 24];
        for (block, text) in encrypted.chunks_exact_mut(8).zip(TEXT) {
            let [left, right] = (0..64).fold(text, |block, _| self.cipher.bc_encrypt(block));
            let (start, end) = block.split_at_mut(4);
            start.copy_from_slice(&left.to_be_bytes());
            end.copy_from_slice(&right.to_be_bytes());
        }
        // All implementations drop the last byte.
        let [digest @ .., _] = encrypted;
        digest
    }
}

/// Encodes bytes in bcrypt's own base64, without padding.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    let mut base64 = Specification::new();
    base64.symbols.push_str(SYMBOLS);
    base64.encoding().expect("there are 64 different symbols").encode(bytes)
}

/// Decodes `N` bytes. The unused bits must be zeros.
///
/// Not data-encoding: every start reads a hash, and compiling that decoder takes a fresh isolate a
/// millisecond.
pub(super) fn from_base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (mut bytes, mut filled) = ([0; N], 0);
    let (mut bits, mut count) = (0, 0);
    for symbol in text.bytes() {
        let value = SYMBOLS.bytes().position(|known| known == symbol)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            *bytes.get_mut(filled)? = u8::try_from(bits >> count).ok()?;
            filled += 1;
            bits &= (1 << count) - 1;
        }
    }
    (filled == N && bits == 0).then_some(bytes)
}

const SYMBOLS: &str = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(super) const MAX_PASSWORD_BYTES: usize = 72;
/// About 2.5 ms on Workers.
const ROUNDS_PER_SLICE: u32 = 32;
/// "OrpheanBeholderScryDoubt".
const TEXT: [[u32; 2]; 3] =
    [[0x4F72_7068, 0x6561_6E42], [0x6568_6F6C, 0x6465_7253], [0x6372_7944, 0x6F75_6274]];
