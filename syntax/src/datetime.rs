//! Points in time: <https://atproto.com/specs/lexicon#datetime>.

use alloc::format;
use alloc::string::String;

/// A datetime: `1985-04-12T23:20:50.123Z`.
///
/// The syntax is what RFC 3339, ISO 8601 and the lexicon specification all allow, with a date that
/// the calendar has, a time without leap second, and a year that is not negative in UTC. The text
/// stays as it was written: two texts for one moment are not equal, and the order is that of the
/// texts. For the order in time compare [`unix_millis`](Self::unix_millis).
#[derive(Clone, Copy)]
pub struct Datetime<S = String>(S);

impl Datetime {
    /// The most bytes that a datetime may have.
    pub const MAX_BYTES: usize = 64;

    /// Writes a moment, in milliseconds since 1970, as `YYYY-MM-DDThh:mm:ss.mmmZ`.
    ///
    /// Years after 9999 cannot be written: such moments become the last millisecond of 9999.
    #[must_use]
    pub fn from_unix_millis(millis: u64) -> Self {
        let millis = millis.min(LAST_MILLIS);
        let (year, month, day) = civil_from_days(millis / MILLIS_PER_DAY);
        let (hour, minute) = (millis / 3_600_000 % 24, millis / 60_000 % 60);
        let (second, milli) = (millis / 1000 % 60, millis % 1000);
        Self(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
    }
}

impl<S: AsRef<str>> Datetime<S> {
    /// Returns the moment in milliseconds since 1970, finer digits cut off.
    ///
    /// # Panics
    ///
    /// Never: the text was parsed before.
    #[must_use]
    pub fn unix_millis(&self) -> i64 {
        scan(self.as_str().as_bytes()).expect("parse() read this text").unix_millis()
    }
}

text_type!(Datetime, DatetimeError, check);

/// Why a text is not a datetime.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatetimeError {
    /// The calendar has no such day.
    #[error("the calendar has no such date")]
    Date,
    /// The text is longer than [`Datetime::MAX_BYTES`].
    #[error("a datetime has at most {} bytes", Datetime::MAX_BYTES)]
    Length,
    /// The moment is before the year 0 in UTC.
    #[error("the datetime is before the year 0")]
    NegativeYear,
    /// The time zone is missing, malformed, out of range, or `-00:00`.
    #[error("a datetime ends in Z or in an offset from -23:59 to +23:59 that is not -00:00")]
    Offset,
    /// The text does not have the shape of a datetime.
    #[error("a datetime is written YYYY-MM-DDThh:mm:ss.sssZ")]
    Syntax,
    /// The clock has no such time.
    #[error("the clock has no such time")]
    Time,
}

/// The numbers of a datetime, each within its range.
struct Fields {
    year: u32,
    month: u32,
    day: u32,
    seconds_of_day: u32,
    millis: u32,
    offset_minutes: i32,
}

impl Fields {
    fn unix_millis(&self) -> i64 {
        let days = days_from_civil(self.year, self.month, self.day) - DAYS_TO_1970;
        let seconds =
            days * 86_400 + i64::from(self.seconds_of_day) - i64::from(self.offset_minutes) * 60;
        seconds * 1000 + i64::from(self.millis)
    }
}

fn check(text: &[u8]) -> Result<(), DatetimeError> {
    if text.len() > Datetime::MAX_BYTES {
        return Err(DatetimeError::Length);
    }
    let fields = scan(text)?;
    // The offset is less than a day, so that no other year is near.
    if fields.year == 0 && fields.unix_millis() < FIRST_MILLIS {
        return Err(DatetimeError::NegativeYear);
    }
    Ok(())
}

fn scan(text: &[u8]) -> Result<Fields, DatetimeError> {
    // The compiler sees that so many bytes are enough for all that is read of them.
    let (clock, mut rest) = text.split_first_chunk::<19>().ok_or(DatetimeError::Syntax)?;
    let mut clock = clock.as_slice();
    let year = number::<4>(&mut clock)?;
    literal(&mut clock, b'-')?;
    let month = number::<2>(&mut clock)?;
    literal(&mut clock, b'-')?;
    let day = number::<2>(&mut clock)?;
    literal(&mut clock, b'T')?;
    let hour = number::<2>(&mut clock)?;
    literal(&mut clock, b':')?;
    let minute = number::<2>(&mut clock)?;
    literal(&mut clock, b':')?;
    let second = number::<2>(&mut clock)?;
    let millis = fraction(&mut rest)?;
    let offset_minutes = offset(rest)?;
    if day == 0 || day > days_in_month(year, month) {
        return Err(DatetimeError::Date);
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(DatetimeError::Time);
    }
    let seconds_of_day = (hour * 60 + minute) * 60 + second;
    Ok(Fields { year, month, day, seconds_of_day, millis, offset_minutes })
}

#[inline(always)]
fn literal(rest: &mut &[u8], expected: u8) -> Result<(), DatetimeError> {
    *rest = rest.strip_prefix(&[expected]).ok_or(DatetimeError::Syntax)?;
    Ok(())
}

/// Reads a number of so many digits.
#[inline(always)]
fn number<const WIDTH: usize>(rest: &mut &[u8]) -> Result<u32, DatetimeError> {
    let (digits, tail) = rest.split_first_chunk::<WIDTH>().ok_or(DatetimeError::Syntax)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(DatetimeError::Syntax);
    }
    *rest = tail;
    Ok(digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

/// Reads the fraction of a second, if there is one, and returns its whole milliseconds.
fn fraction(rest: &mut &[u8]) -> Result<u32, DatetimeError> {
    let Some(tail) = rest.strip_prefix(b".") else { return Ok(0) };
    let width = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if width == 0 {
        return Err(DatetimeError::Syntax);
    }
    let (digits, tail) = tail.split_at(width);
    *rest = tail;
    let padded = digits.iter().copied().chain(core::iter::repeat(b'0'));
    Ok(padded.take(3).fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

/// Reads the time zone, which ends the text, and returns how many minutes it is ahead of UTC.
fn offset(rest: &[u8]) -> Result<i32, DatetimeError> {
    let (sign, mut rest) = match rest {
        b"Z" => return Ok(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return Err(DatetimeError::Offset),
    };
    let hours = number::<2>(&mut rest).map_err(|_| DatetimeError::Offset)?;
    literal(&mut rest, b':').map_err(|_| DatetimeError::Offset)?;
    let minutes = number::<2>(&mut rest).map_err(|_| DatetimeError::Offset)?;
    // RFC 3339 gives -00:00 a meaning of its own, which ISO 8601 does not know.
    let is_negative_zero = sign < 0 && hours == 0 && minutes == 0;
    if !rest.is_empty() || hours > 23 || minutes > 59 || is_negative_zero {
        return Err(DatetimeError::Offset);
    }
    i32::try_from(hours * 60 + minutes).map(|total| sign * total).map_err(|_| DatetimeError::Offset)
}

/// Returns the length of a month, or 0 if there is no such month.
fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Counts the days from 1 March of the year -400 to a date.
///
/// A year that starts in March ends with its leap day, so months have the same start in all years.
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    // Leap years recur every 400 years; adding those keeps January of the year 0 above zero.
    let (year, month) = if month > 2 { (year + 400, month - 3) } else { (year + 399, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    i64::from(year) * 365 + i64::from(leap_days) + i64::from((153 * month + 2) / 5 + day - 1)
}

/// Returns year, month and day of a date, counted in days since 1970.
fn civil_from_days(days_since_1970: u64) -> (u64, u64, u64) {
    // From here on days are counted from 1 March of the year 0.
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// What [`days_from_civil`] returns for 1 January 1970.
const DAYS_TO_1970: i64 = 865_565;
/// 0000-01-01T00:00:00.000Z.
const FIRST_MILLIS: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z.
const LAST_MILLIS: u64 = 253_402_300_799_999;
const MILLIS_PER_DAY: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_rule_has_its_error() {
        for (text, error) in [
            ("", DatetimeError::Syntax),
            ("1985-04-12", DatetimeError::Syntax),
            ("1985-04-12t23:20:50Z", DatetimeError::Syntax),
            ("1985-04-12T23:20:50.Z", DatetimeError::Syntax),
            ("1985-00-12T23:20:50Z", DatetimeError::Date),
            ("1985-04-31T23:20:50Z", DatetimeError::Date),
            ("1900-02-29T23:20:50Z", DatetimeError::Date),
            ("1985-04-12T24:00:00Z", DatetimeError::Time),
            ("1985-04-12T23:60:00Z", DatetimeError::Time),
            ("1990-12-31T23:59:60Z", DatetimeError::Time),
            ("1985-04-12T23:20:50", DatetimeError::Offset),
            ("1985-04-12T23:20:50z", DatetimeError::Offset),
            ("1985-04-12T23:20:50-00:00", DatetimeError::Offset),
            ("1985-04-12T23:20:50+24:00", DatetimeError::Offset),
            ("1985-04-12T23:20:50+00:60", DatetimeError::Offset),
            ("1985-04-12T23:20:50+01:00Z", DatetimeError::Offset),
            ("0000-01-01T00:59:59+01:00", DatetimeError::NegativeYear),
        ] {
            assert_eq!(Datetime::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_limits_are_inclusive() {
        for text in [
            "2000-02-29T23:59:59Z",
            "1985-04-12T23:20:50-23:59",
            "0000-01-01T01:00:00+01:00",
            "9999-12-31T23:59:59-23:59",
        ] {
            assert!(Datetime::parse(text).is_ok(), "{text}");
        }
        let longest = format!("1985-04-12T23:20:50.{}Z", "9".repeat(Datetime::MAX_BYTES - 21));
        assert!(Datetime::parse(longest.as_str()).is_ok());
        assert_eq!(Datetime::parse(format!("{longest}Z")), Err(DatetimeError::Length));
    }

    #[test]
    fn known_moments_have_their_numbers() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("2000-03-01T00:00:00.5Z", 951_868_800_500),
            ("0000-01-01T00:00:00Z", FIRST_MILLIS),
        ] {
            assert_eq!(Datetime::parse(text).unwrap().unix_millis(), millis, "{text}");
        }
    }

    #[test]
    fn moments_after_9999_become_its_last() {
        let last = Datetime::from_unix_millis(LAST_MILLIS);
        assert_eq!(last, "9999-12-31T23:59:59.999Z");
        assert_eq!(Datetime::from_unix_millis(LAST_MILLIS + 1), last);
        assert_eq!(Datetime::from_unix_millis(u64::MAX), last);
    }
}
