//! `DayTotals`: the totals of a day, a column of table `account`.

use core::fmt;

/// What the server has done on a day in UTC.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct DayTotals {
    /// The day, counted from 1970-01-01.
    pub(crate) day: i64,
    pub(crate) requests: i64,
    /// Responses with a status of 500 or above.
    pub(crate) faults: i64,
    /// Written records, including deletes.
    pub(crate) writes: i64,
    pub(crate) rows_read: i64,
    pub(crate) rows_written: i64,
}

impl DayTotals {
    /// Returns the totals as of a time: zeros if another day has begun.
    pub(crate) fn on(self, now_s: i64) -> Self {
        let day = now_s.div_euclid(SECONDS_PER_DAY);
        if self.day == day { self } else { Self { day, ..Self::default() } }
    }

    /// Parses the column. Returns zeros if it is empty or has another form.
    pub(super) fn parse(text: &str) -> Self {
        let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or_default());
        let mut next = || numbers.next().unwrap_or_default();
        Self {
            day: next(),
            requests: next(),
            faults: next(),
            writes: next(),
            rows_read: next(),
            rows_written: next(),
        }
    }
}

/// The form of the column.
impl fmt::Display for DayTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { day, requests, faults, writes, rows_read, rows_written } = self;
        write!(f, "{day} {requests} {faults} {writes} {rows_read} {rows_written}")
    }
}

const SECONDS_PER_DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_survive_their_column() {
        let totals = DayTotals {
            day: 20_787,
            requests: 9,
            faults: 1,
            writes: 4,
            rows_read: 8,
            rows_written: 16,
        };
        assert_eq!(DayTotals::parse(&totals.to_string()), totals);
        assert_eq!(DayTotals::parse(""), DayTotals::default());
        assert_eq!(DayTotals::parse("x y"), DayTotals::default());
    }

    #[test]
    fn totals_start_over_at_midnight() {
        let midnight_s = 20_787 * SECONDS_PER_DAY;
        let totals = DayTotals { day: 20_787, requests: 9, ..DayTotals::default() };
        assert_eq!(totals.on(midnight_s + SECONDS_PER_DAY - 1), totals);
        let next = totals.on(midnight_s + SECONDS_PER_DAY);
        assert_eq!(next, DayTotals { day: 20_788, ..DayTotals::default() });
    }
}
