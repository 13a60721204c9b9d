//! Timestamp identifiers: <https://atproto.com/specs/tid>.

use core::fmt;
use core::str::FromStr;

/// A TID: a time in microseconds and a clock identifier, written as 13 sortable characters.
///
/// The order of the values is the order of their texts.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tid(u64);

impl Tid {
    /// The number of characters of a TID.
    pub const LEN: usize = 13;

    /// The latest time that a TID is made of, in the year 2255.
    pub const MAX_MICROS: u64 = (1 << 53) - 1;

    /// The greatest clock identifier.
    pub const MAX_CLOCK_ID: u16 = 1023;

    /// Parses the 13-character form.
    ///
    /// The grammar has room for one bit more than the time has by the specification; a text that
    /// uses it is accepted, so that what others accepted can be read.
    ///
    /// # Errors
    ///
    /// [`TidError`] names the first rule broken.
    pub fn parse(text: &str) -> Result<Self, TidError> {
        if text.len() != Self::LEN {
            return Err(TidError::Length);
        }
        let mut bits = 0_u64;
        for (index, byte) in text.bytes().enumerate() {
            let digit = digit(byte).ok_or(TidError::Character(index))?;
            // Thirteen digits hold 65 bits, and a TID has 64.
            if index == 0 && digit >= 16 {
                return Err(TidError::TopBit);
            }
            bits = bits << BITS_PER_DIGIT | digit;
        }
        Ok(Self(bits))
    }

    /// Makes the TID of a time, in microseconds since 1970, and a clock identifier.
    ///
    /// A time after [`MAX_MICROS`](Self::MAX_MICROS) counts as that; of the clock identifier only
    /// the lowest ten bits count. For a series of TIDs, [`TidClock`](crate::TidClock) keeps order.
    #[must_use]
    pub fn from_micros(micros: u64, clock_id: u16) -> Self {
        let clock_id = u64::from(clock_id & Self::MAX_CLOCK_ID);
        Self(micros.min(Self::MAX_MICROS) << CLOCK_ID_BITS | clock_id)
    }

    /// Returns the time, in microseconds since 1970. A TID that was parsed may have one bit more
    /// than [`MAX_MICROS`](Self::MAX_MICROS).
    #[must_use]
    pub fn micros(self) -> u64 {
        self.0 >> CLOCK_ID_BITS
    }

    /// Returns the clock identifier, at most [`MAX_CLOCK_ID`](Self::MAX_CLOCK_ID).
    #[must_use]
    pub fn clock_id(self) -> u16 {
        let [.., high, low] = self.0.to_be_bytes();
        u16::from_be_bytes([high, low]) & Self::MAX_CLOCK_ID
    }

    /// Returns the 13 characters, all of them ASCII.
    #[must_use]
    pub fn to_ascii(self) -> [u8; Self::LEN] {
        let mut text = [0; Self::LEN];
        let mut bits = self.0;
        for character in text.iter_mut().rev() {
            *character = character_of(bits & DIGIT_MASK);
            bits >>= BITS_PER_DIGIT;
        }
        text
    }
}

impl FromStr for Tid {
    type Err = TidError;

    fn from_str(text: &str) -> Result<Self, TidError> {
        Self::parse(text)
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(core::str::from_utf8(&self.to_ascii()).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Tid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Tid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Why a text is not a TID.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TidError {
    /// The byte at this index is not a character of the sortable base32 alphabet.
    #[error("byte {0} of the TID is outside the base32 alphabet")]
    Character(usize),
    /// The text is not 13 bytes long.
    #[error("a TID has {} characters", Tid::LEN)]
    Length,
    /// The text stands for a number of more than 64 bits.
    #[error("a TID starts with one of 234567abcdefghij")]
    TopBit,
}

// The alphabet is 234567abcdefghijklmnopqrstuvwxyz.
fn digit(byte: u8) -> Option<u64> {
    match byte {
        b'2'..=b'7' => Some(u64::from(byte - b'2')),
        b'a'..=b'z' => Some(u64::from(byte - b'a') + 6),
        _ => None,
    }
}

fn character_of(digit: u64) -> u8 {
    let digit = u8::try_from(digit & DIGIT_MASK).expect("five bits fit into eight");
    if digit < 6 { b'2' + digit } else { b'a' + (digit - 6) }
}

const BITS_PER_DIGIT: u32 = 5;
const DIGIT_MASK: u64 = 31;
const CLOCK_ID_BITS: u32 = 10;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        for (text, error) in [
            ("", TidError::Length),
            ("3jzfcijpj2z2", TidError::Length),
            ("3jzfcijpj2z2aa", TidError::Length),
            ("3jzfcijpj2z21", TidError::Character(12)),
            ("3JZFCIJPJ2Z2A", TidError::Character(1)),
            ("\u{e9}zfcijpj2z2", TidError::Length),
            ("\u{e9}zfcijpj2z2a", TidError::Character(0)),
            ("kzzzzzzzzzzzz", TidError::TopBit),
        ] {
            assert_eq!(Tid::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_valid() {
        assert_eq!(Tid::parse("2222222222222").unwrap(), Tid::from_micros(0, 0));
        let last = Tid::from_micros(Tid::MAX_MICROS, Tid::MAX_CLOCK_ID);
        assert_eq!(Tid::parse("bzzzzzzzzzzzz").unwrap(), last);
        let beyond = Tid::parse("jzzzzzzzzzzzz").unwrap();
        assert_eq!((beyond.micros(), beyond.clock_id()), ((1 << 54) - 1, Tid::MAX_CLOCK_ID));
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!(Tid::from_micros(Tid::MAX_MICROS + 1, 0), Tid::from_micros(Tid::MAX_MICROS, 0));
        assert_eq!(Tid::from_micros(7, 1024 + 3), Tid::from_micros(7, 3));
    }

    #[test]
    fn a_known_tid_has_its_known_time() {
        // 2023-06-30T15:03:01.887007Z by the alphabet and the 53 + 10 bits of the specification.
        let tid = Tid::parse("3jzfcijpj2z2a").unwrap();
        assert_eq!((tid.micros(), tid.clock_id()), (1_688_137_381_887_007, 6));
        assert_eq!(tid.to_string(), "3jzfcijpj2z2a");
    }
}
