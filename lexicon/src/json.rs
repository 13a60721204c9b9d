//! A strict scanner of JSON tokens, which only copies strings with escapes.
//!
//! General JSON parsers keep the last of two equal keys, and read `1.0` as a float although
//! JavaScript, and with it every other implementation, reads it as 1.
//!
//! <https://www.rfc-editor.org/rfc/rfc8259>

use alloc::vec::Vec;

use crate::{DataError, MAX_INTEGER, MAX_JSON_BYTES};

/// A string, with the bytes after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScannedText<'a> {
    /// The length of the string in bytes.
    pub(crate) len: usize,
    /// The string and usually the bytes after it, so that it can be copied in blocks of a fixed
    /// size.
    pub(crate) ahead: &'a [u8],
}

impl<'a> ScannedText<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { len: text.len(), ahead: text.as_bytes() }
    }

    /// Returns the bytes of the string, which are UTF-8.
    #[inline]
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.ahead.get(..self.len).unwrap_or_default()
    }

    /// Returns the string. Checks it for UTF-8 again.
    pub(crate) fn text(self) -> &'a str {
        core::str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

/// Reads tokens from the front of JSON text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, DataError> {
        if text.len() > MAX_JSON_BYTES {
            Err(DataError::TooLarge)
        } else {
            Ok(Self { rest: text.as_bytes(), len: text.len() })
        }
    }

    /// Skips white space and returns the byte after it.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        match self.rest.first() {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.peek_behind_space(),
        }
    }

    fn peek_behind_space(&mut self) -> Option<u8> {
        while let Some((b' ' | b'\n' | b'\r' | b'\t', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// Skips white space and then this byte. Returns `false` if another one comes next.
    #[inline(always)]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.skip(1);
        }
        found
    }

    /// Skips white space and then this byte, which must come next.
    #[inline(always)]
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), DataError> {
        if self.eat(byte) { Ok(()) } else { Err(self.syntax()) }
    }

    /// Reads `true`, `false` or `null`.
    pub(crate) fn literal(&mut self, literal: &str) -> Result<(), DataError> {
        let rest = self.rest.strip_prefix(literal.as_bytes()).ok_or_else(|| self.syntax())?;
        self.rest = rest;
        Ok(())
    }

    /// Reads a string. Uses `scratch` for one with escapes.
    #[inline(always)]
    pub(crate) fn string<'s>(
        &mut self,
        scratch: &'s mut Vec<u8>,
    ) -> Result<ScannedText<'s>, DataError>
    where
        'a: 's,
    {
        self.expect(b'"')?;
        let ahead = self.rest;
        let len = plain_len(ahead);
        self.skip(len);
        if let Some((b'"', rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(ScannedText { len, ahead });
        }
        self.escaped(ScannedText { len, ahead }.bytes(), scratch)
    }

    /// Reads the rest of a string after its plain start.
    #[cold]
    fn escaped<'s>(
        &mut self,
        plain: &[u8],
        scratch: &'s mut Vec<u8>,
    ) -> Result<ScannedText<'s>, DataError> {
        scratch.clear();
        scratch.extend_from_slice(plain);
        // Plain text ends at a quote, an escape, a control character or the end of the input.
        while !self.skip_if(b'"') {
            if !self.skip_if(b'\\') {
                return Err(self.syntax());
            }
            let escaped = self.escape()?;
            scratch.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
            let (ahead, len) = (self.rest, plain_len(self.rest));
            scratch.extend_from_slice(ScannedText { len, ahead }.bytes());
            self.skip(len);
        }
        Ok(ScannedText { len: scratch.len(), ahead: scratch })
    }

    /// Reads a number in any notation whose value is an integer of the data model.
    pub(crate) fn integer(&mut self) -> Result<i64, DataError> {
        let is_negative = self.skip_if(b'-');
        let mut decimal = Decimal::default();
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with(b"0") {
            return Err(self.syntax());
        }
        decimal.push(whole);
        if self.skip_if(b'.') {
            let fraction = self.digits()?;
            decimal.push(fraction);
            decimal.shift(-len_i64(fraction));
        }
        if self.skip_if(b'e') || self.skip_if(b'E') {
            let exponent_is_negative = self.skip_if(b'-');
            if !exponent_is_negative {
                self.skip_if(b'+');
            }
            let digits = core::str::from_utf8(self.digits()?).unwrap_or_default();
            // An exponent beyond 64 bits counts as infinite.
            let exponent = digits.parse().unwrap_or(i64::MAX);
            decimal.shift(if exponent_is_negative { -exponent } else { exponent });
        }
        let value = decimal.integer()?;
        Ok(if is_negative { -value } else { value })
    }

    pub(crate) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    #[cold]
    pub(crate) fn syntax(&self) -> DataError {
        DataError::Syntax(self.at())
    }

    fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    #[inline(always)]
    fn skip(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }

    fn skip_if(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        self.skip(usize::from(found));
        found
    }

    fn digits(&mut self) -> Result<&'a [u8], DataError> {
        let rest = self.rest;
        let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.skip(len);
        if len == 0 { Err(self.syntax()) } else { Ok(rest.get(..len).unwrap_or_default()) }
    }

    /// Reads an escape after its backslash.
    fn escape(&mut self) -> Result<char, DataError> {
        let at = self.at();
        let (byte, rest) = self.rest.split_first().ok_or(DataError::Syntax(at))?;
        self.rest = rest;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(*byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode_escape(at)?,
            _ => return Err(DataError::Syntax(at)),
        })
    }

    /// Reads four hexadecimal digits, and a second `\u` escape after a high surrogate.
    fn unicode_escape(&mut self, at: usize) -> Result<char, DataError> {
        let first = self.hex4()?;
        let unit = match first {
            0xd800..0xdc00 if self.rest.starts_with(b"\\u") => {
                self.skip(2);
                match self.hex4()? {
                    second @ 0xdc00..0xe000 => {
                        0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    _ => return Err(DataError::Surrogate(at)),
                }
            }
            unit => unit,
        };
        // The only other values outside of `char` are lone surrogates.
        char::from_u32(unit).ok_or(DataError::Surrogate(at))
    }

    fn hex4(&mut self) -> Result<u32, DataError> {
        let digits = self.rest.get(..4).ok_or_else(|| self.syntax())?;
        let mut value = 0;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or_else(|| self.syntax())?;
            value = value << 4 | digit;
        }
        self.skip(4);
        Ok(value)
    }
}

/// Returns the number of bytes before the first quote, backslash or control character.
#[inline(always)]
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    // Most strings are short.
    if let Some(word) = bytes.first_chunk() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return first_special(special);
        }
    }
    plain_len_of_long(bytes)
}

#[inline(never)]
fn plain_len_of_long(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    // The caller has checked the first word.
    for (index, word) in words.iter().enumerate().skip(1) {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + first_special(special);
        }
    }
    // The last word may overlap words already checked, which have no special byte.
    if let Some(word) = bytes.last_chunk() {
        let special = special_bytes(u64::from_le_bytes(*word));
        return bytes.len() - if special == 0 { 0 } else { 8 - first_special(special) };
    }
    bytes.iter().take_while(|byte| !is_special(**byte)).count()
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Returns the index of the first special byte in a word.
#[inline]
fn first_special(special: u64) -> usize {
    usize::try_from(special.trailing_zeros() / 8).unwrap_or_default()
}

/// Sets the top bit of each special byte. Bits above the lowest special byte may be wrong.
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
    /// The digits up to the last non-zero one. Saturates out of range.
    digits: u64,
    /// The zeros after these digits, which count only if another digit follows.
    zeros: i64,
    exponent: i64,
}

impl Decimal {
    fn push(&mut self, digits: &[u8]) {
        for digit in digits.iter().map(|digit| u64::from(digit - b'0')) {
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

/// Returns `value` times ten to the power of `power`, saturating.
fn scaled(value: u64, power: i64) -> u64 {
    let power = u32::try_from(power).ok().and_then(|power| 10_u64.checked_pow(power));
    power.map_or(u64::MAX, |power| value.saturating_mul(power))
}

fn len_i64(digits: &[u8]) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}
