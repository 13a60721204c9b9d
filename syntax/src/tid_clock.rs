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

    /// Starts a clock that has handed out nothing yet; `clock_id` is best chosen at random.
    #[must_use]
    pub fn new(clock_id: u16) -> Self {
        Self { last: None, clock_id }
    }

    /// Starts a clock whose TIDs all come after `last`.
    ///
    /// A `last` that a stranger supplied should be compared with the present time first: none but
    /// greater TIDs follow it.
    #[must_use]
    pub fn resuming_after(last: Tid, clock_id: u16) -> Self {
        Self { last: Some(last), clock_id }
    }

    /// Returns the TID of `now_micros`, or the next free one if the clock stood or went back.
    ///
    /// Only after [`Tid::MAX`], which resuming after a TID of the year 2255 can reach, there is
    /// no greater one, and it is repeated.
    pub fn next(&mut self, now_micros: u64) -> Tid {
        let now_micros = if now_micros < Self::END_MICROS { now_micros } else { 0 };
        let next = match self.last {
            Some(last) if last.micros() >= Tid::MAX_MICROS => Tid::MAX,
            // Counting on in microseconds, not in clock identifiers, leaves those to tell apart
            // two clocks of one repository.
            Some(last) => Tid::from_micros(now_micros.max(last.micros() + 1), self.clock_id),
            None => Tid::from_micros(now_micros, self.clock_id),
        };
        self.last = Some(next);
        next
    }
}
