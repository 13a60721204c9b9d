//! A source of strictly increasing TIDs.

use crate::Tid;

/// Hands out TIDs that strictly increase, whatever the clock does.
///
/// The caller supplies the time and keeps the last TID: resuming after it keeps the order across
/// restarts.
#[derive(Clone, Debug)]
pub struct TidClock {
    last: Option<Tid>,
    clock_id: u16,
}

impl TidClock {
    /// Times from here on, in the year 2112, are taken for a broken clock and ignored.
    ///
    /// Believing one of them would use up the TIDs that remain.
    pub const END_MICROS: u64 = 1 << 52;

    /// Starts a clock that has handed out nothing yet. Of `clock_id` the lowest ten bits count; it
    /// is best chosen at random.
    #[must_use]
    pub fn new(clock_id: u16) -> Self {
        Self { last: None, clock_id }
    }

    /// Starts a clock whose TIDs all come after `last`.
    ///
    /// Compare a `last` that a stranger supplied with the present time first: all TIDs that follow
    /// are still later.
    #[must_use]
    pub fn resuming_after(last: Tid, clock_id: u16) -> Self {
        Self { last: Some(last), clock_id }
    }

    /// Returns the TID of `now_micros`, in microseconds since 1970, or the next free one if the
    /// clock stood, went back, or is at [`END_MICROS`](Self::END_MICROS) or later.
    ///
    /// Where no later time can be written, which only resuming after a TID of the year 2255 or
    /// later brings about, the last TID is repeated.
    pub fn next(&mut self, now_micros: u64) -> Tid {
        let now_micros = if now_micros < Self::END_MICROS { now_micros } else { 0 };
        let next = match self.last {
            Some(last) if last.micros() >= Tid::MAX_MICROS => last,
            // Counting on in microseconds, not in clock identifiers, leaves those to tell apart
            // two clocks of one repository.
            Some(last) => Tid::from_micros(now_micros.max(last.micros() + 1), self.clock_id),
            None => Tid::from_micros(now_micros, self.clock_id),
        };
        self.last = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_advances_is_followed() {
        let mut clock = TidClock::new(9);
        assert_eq!(clock.next(1000), Tid::from_micros(1000, 9));
        assert_eq!(clock.next(2000), Tid::from_micros(2000, 9));
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_is_counted_on() {
        let mut clock = TidClock::new(9);
        clock.next(1000);
        assert_eq!(clock.next(1000), Tid::from_micros(1001, 9));
        assert_eq!(clock.next(0), Tid::from_micros(1002, 9));
    }

    #[test]
    fn resuming_comes_after_the_last_even_with_a_smaller_clock_id() {
        let mut clock = TidClock::resuming_after(Tid::from_micros(1000, 500), 0);
        assert_eq!(clock.next(1000), Tid::from_micros(1001, 0));
    }

    #[test]
    fn a_time_out_of_range_is_ignored() {
        let last = TidClock::END_MICROS - 1;
        let mut clock = TidClock::new(0);
        assert_eq!(clock.next(TidClock::END_MICROS).micros(), 0);
        assert_eq!(clock.next(u64::MAX).micros(), 1);
        assert_eq!(clock.next(last).micros(), last);
    }

    #[test]
    fn the_end_of_time_is_repeated() {
        let mut clock = TidClock::resuming_after(Tid::from_micros(Tid::MAX_MICROS - 1, 0), 5);
        let last = Tid::from_micros(Tid::MAX_MICROS, 5);
        assert_eq!(clock.next(0), last);
        assert_eq!(clock.next(0), last);
        let beyond = Tid::parse("jzzzzzzzzzzzz").unwrap();
        assert_eq!(TidClock::resuming_after(beyond, 0).next(0), beyond);
    }
}
