//! Heads: the first bytes of an item, which hold its major type and its argument.
//!
//! Specification: <https://www.rfc-editor.org/rfc/rfc8949#section-3>

/// The type of an item: the upper three bits of its first byte.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Major {
    /// An integer from 0. The argument is its value.
    Unsigned,
    /// An integer below 0. The argument is -1 minus its value.
    Negative,
    /// A byte string. The argument is its length.
    Bytes,
    /// A UTF-8 string. The argument is its length in bytes.
    Text,
    /// An array. The argument is the number of its items.
    Array,
    /// A map. The argument is the number of its entries.
    Map,
    /// A tagged item. The argument is the tag.
    Tag,
    /// A simple value or a float, or the break of an indefinite length.
    Simple,
}

/// A head in its shortest form, of any item except a simple value or a float.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The type.
    pub major: Major,
    /// The value, length, number of members, or tag.
    pub argument: u64,
    /// The offset of the head.
    pub at: usize,
}

/// A head of any well-formed item, in any of its forms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AnyHead {
    /// The type.
    pub major: Major,
    /// The value, length, number of members, tag, simple value, or bits of a float. `None` for an
    /// indefinite length or a break.
    pub argument: Option<u64>,
    /// The offset of the head.
    pub at: usize,
    /// The length of the head in bytes, from 1 to 9.
    pub len: usize,
}

impl Major {
    /// Returns the type of an item that starts with this byte.
    #[inline(always)]
    #[must_use]
    pub const fn of(initial: u8) -> Self {
        match initial >> 5 {
            0 => Self::Unsigned,
            1 => Self::Negative,
            2 => Self::Bytes,
            3 => Self::Text,
            4 => Self::Array,
            5 => Self::Map,
            6 => Self::Tag,
            _ => Self::Simple,
        }
    }

    /// Returns the first byte of an item of this type, without the lower five bits.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::as_conversions, reason = "a match compiles to more than the shift")]
    pub const fn bits(self) -> u8 {
        (self as u8) << 5
    }
}

impl AnyHead {
    /// Returns the simple value, such as 20 for `false`. Returns `None` for any other item.
    #[inline]
    #[must_use]
    pub fn simple(&self) -> Option<u8> {
        if self.major != Major::Simple || self.len > 2 {
            return None;
        }
        u8::try_from(self.argument?).ok()
    }

    /// Returns the value of a float of 16, 32 or 64 bits. Returns `None` for any other item.
    #[inline]
    #[must_use]
    pub fn float(&self) -> Option<f64> {
        if self.major != Major::Simple {
            return None;
        }
        let bits = self.argument?;
        match self.len {
            3 => u16::try_from(bits).ok().map(half),
            5 => u32::try_from(bits).ok().map(|bits| f64::from(f32::from_bits(bits))),
            9 => Some(f64::from_bits(bits)),
            _ => None,
        }
    }
}

/// Returns the value of a float of 16 bits.
fn half(bits: u16) -> f64 {
    let exponent = u64::from(bits >> 10 & 0x1f);
    let fraction = u64::from(bits & 0x3ff);
    let magnitude = match exponent {
        // Steps of 2^-24.
        0 => f64::from(bits & 0x3ff) / f64::from(1 << 24),
        31 => f64::from_bits(0x7ff << 52 | fraction << 42),
        _ => f64::from_bits((exponent + 1023 - 15) << 52 | fraction << 42),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}
