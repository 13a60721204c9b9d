//! The tokens of JSON, read strictly and without copying where the text has no escapes.
//!
//! A general JSON parser will not do here: the common ones keep the last of two equal keys, and
//! read `1.0` as a float although JavaScript, and so every other implementation, takes it for 1.
//!
//! <https://www.rfc-editor.org/rfc/rfc8259>

use alloc::string::String;

use crate::{DataError, MAX_INTEGER, MAX_JSON_BYTES};

/// Reads tokens from the front of JSON text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, DataError> {
        if text.len() > MAX_JSON_BYTES {
            Err(DataError::TooLarge)
        } else {
            Ok(Self { text, at: 0 })
        }
    }

    /// Skips white space and returns the byte after it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Skips white space and then this byte, if it is there.
    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Skips white space and then this byte, which must be there.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), DataError> {
        if self.eat(byte) { Ok(()) } else { Err(self.syntax()) }
    }

    /// Reads `true`, `false` or `null`.
    pub(crate) fn word(&mut self, word: &str) -> Result<(), DataError> {
        if !self.rest().starts_with(word) {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads a string; one with escapes is put together in `scratch`.
    #[inline]
    pub(crate) fn string<'s>(&mut self, scratch: &'s mut String) -> Result<&'s str, DataError>
    where
        'a: 's,
    {
        self.expect(b'"')?;
        let plain = self.plain();
        if self.next_is(b'"') {
            self.at += 1;
            return Ok(plain);
        }
        scratch.clear();
        scratch.push_str(plain);
        loop {
            // What stopped the plain text is a quote, an escape, a control character or the end.
            if self.next_is(b'"') {
                self.at += 1;
                return Ok(scratch);
            }
            if !self.next_is(b'\\') {
                return Err(self.syntax());
            }
            self.at += 1;
            scratch.push(self.escape()?);
            scratch.push_str(self.plain());
        }
    }

    /// Reads a number whose value is an integer of the data model, however it is written.
    pub(crate) fn integer(&mut self) -> Result<i64, DataError> {
        let is_negative = self.next_is(b'-');
        self.at += usize::from(is_negative);
        let mut decimal = Decimal::default();
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(self.syntax());
        }
        decimal.push(whole);
        if self.next_is(b'.') {
            self.at += 1;
            let fraction = self.digits()?;
            decimal.push(fraction);
            decimal.shift(-len_i64(fraction));
        }
        if self.next_is(b'e') || self.next_is(b'E') {
            self.at += 1;
            let exponent_is_negative = self.next_is(b'-');
            self.at += usize::from(exponent_is_negative || self.next_is(b'+'));
            // One too long for 64 bits is as good as infinite.
            let exponent = self.digits()?.parse().unwrap_or(i64::MAX);
            decimal.shift(if exponent_is_negative { -exponent } else { exponent });
        }
        let value = decimal.integer()?;
        Ok(if is_negative { -value } else { value })
    }

    pub(crate) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    pub(crate) fn syntax(&self) -> DataError {
        DataError::Syntax(self.at)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next_is(&self, byte: u8) -> bool {
        self.text.as_bytes().get(self.at) == Some(&byte)
    }

    /// Reads text up to the next byte that needs a look.
    fn plain(&mut self) -> &'a str {
        let rest = self.rest();
        let len = plain_len(rest.as_bytes());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn digits(&mut self) -> Result<&'a str, DataError> {
        let rest = self.rest();
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += len;
        if len == 0 { Err(self.syntax()) } else { Ok(rest.get(..len).unwrap_or_default()) }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<char, DataError> {
        let at = self.at;
        let byte = *self.text.as_bytes().get(at).ok_or(DataError::Syntax(at))?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode_escape(at)?,
            _ => return Err(DataError::Syntax(at)),
        })
    }

    /// Reads four hexadecimal digits, and the second half of a pair if they are a first half.
    fn unicode_escape(&mut self, at: usize) -> Result<char, DataError> {
        let first = self.hex4()?;
        let unit = match first {
            0xd800..0xdc00 if self.rest().starts_with("\\u") => {
                self.at += 2;
                match self.hex4()? {
                    second @ 0xdc00..0xe000 => {
                        0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    _ => return Err(DataError::Surrogate(at)),
                }
            }
            unit => unit,
        };
        // What is left outside of `char` is half of a pair.
        char::from_u32(unit).ok_or(DataError::Surrogate(at))
    }

    fn hex4(&mut self) -> Result<u32, DataError> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let value = value.ok_or_else(|| self.syntax())?;
        self.at += 4;
        Ok(value)
    }
}

/// Returns how many bytes go by before a quote, a backslash or a control character.
#[inline]
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            let within = special.trailing_zeros() / 8;
            return index * 8 + usize::try_from(within).unwrap_or_default();
        }
    }
    let start = words.len() * 8;
    let rest = bytes.iter().skip(start);
    start + rest.take_while(|&&byte| byte >= 0x20 && byte != b'"' && byte != b'\\').count()
}

/// Sets the top bit of each byte that is special; above the lowest such byte, bits may be wrong.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = ONES << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let quotes = below(word ^ (ONES * 0x22), 1);
    let backslashes = below(word ^ (ONES * 0x5c), 1);
    (below(word, 0x20) | quotes | backslashes) & TOPS
}

/// A decimal number: its significant digits times a power of ten.
#[derive(Debug, Default)]
struct Decimal {
    /// The digits up to the last one that is not zero; stops growing at 17 digits, out of range.
    digits: u64,
    /// Zeros after those digits, which count only if another digit follows.
    zeros: i64,
    exponent: i64,
}

impl Decimal {
    fn push(&mut self, digits: &str) {
        for digit in digits.bytes().map(|digit| u64::from(digit - b'0')) {
            if digit == 0 {
                self.zeros += i64::from(self.digits != 0);
                continue;
            }
            self.digits = scaled(self.digits, self.zeros + 1).saturating_add(digit);
            self.zeros = 0;
        }
    }

    fn shift(&mut self, exponent: i64) {
        self.exponent = self.exponent.saturating_add(exponent);
    }

    /// Returns the value if it is an integer in range.
    fn integer(&self) -> Result<i64, DataError> {
        let exponent = self.exponent.saturating_add(self.zeros);
        if self.digits == 0 {
            return Ok(0);
        }
        if exponent < 0 {
            return Err(DataError::Float);
        }
        let value = i64::try_from(scaled(self.digits, exponent));
        value.ok().filter(|&value| value <= MAX_INTEGER).ok_or(DataError::Integer)
    }
}

/// Returns `value` times ten to the power, or the largest number if that is too large.
fn scaled(value: u64, power: i64) -> u64 {
    let power = u32::try_from(power).ok().and_then(|power| 10_u64.checked_pow(power));
    power.map_or(u64::MAX, |power| value.saturating_mul(power))
}

fn len_i64(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}
