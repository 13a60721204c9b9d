//! Where a subscriber is in the stream: a state machine without sockets, log or clock.

use crate::{ErrorFrame, InfoEvent};

/// Where a subscriber is. A server keeps it with the socket, as bytes, so that it outlives the
/// server's memory.
///
/// A subscriber is first *behind*: a replay sends it what it missed, in slices, from the log. In
/// the turn in which the log has nothing more for it, it becomes *live*, and from then on gets each
/// event in the turn that made it. So nothing is lost or sent twice between the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Position {
    /// It has all events up to this number, and none after it.
    Behind(i64),
    /// It has all events.
    Live,
}

/// What the log holds: the events after `removed`, up to `last`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// The number of the last event that was removed from the log; 0 if none was.
    pub removed: i64,
    /// The number of the last event; 0 if there was none.
    pub last: i64,
}

/// Told to a subscriber whose cursor is older than the log, before what there is.
pub const OUTDATED_CURSOR: InfoEvent<'static> = InfoEvent {
    name: "OutdatedCursor",
    message: Some("Requested cursor exceeded limit. Possibly missing events"),
};

/// Told to a subscriber whose cursor is of another stream than this one; the stream ends.
pub const FUTURE_CURSOR: ErrorFrame<'static> =
    ErrorFrame { error: "FutureCursor", message: Some("Cursor in the future.") };

/// Told to a subscriber that reads too slowly; the stream ends.
pub const CONSUMER_TOO_SLOW: ErrorFrame<'static> =
    ErrorFrame { error: "ConsumerTooSlow", message: Some("Stream consumer too slow") };

impl Position {
    /// How many bytes a position is kept as.
    pub const BYTES: usize = 9;

    /// Returns where a subscriber with this cursor begins, and what it is told first. The cursor of
    /// one that gave none is the last event that there was when it asked.
    ///
    /// # Errors
    ///
    /// The frame that ends the stream.
    pub fn begin(
        cursor: i64,
        window: Window,
    ) -> Result<(Self, Option<InfoEvent<'static>>), ErrorFrame<'static>> {
        if cursor > window.last {
            Err(FUTURE_CURSOR)
        } else if cursor < window.removed {
            Ok((Self::Behind(window.removed), Some(OUTDATED_CURSOR)))
        } else {
            Ok((Self::Behind(cursor), None))
        }
    }

    /// Makes sure that the log still has what the subscriber is to get next.
    ///
    /// # Errors
    ///
    /// The frame that ends the stream.
    pub fn check(self, window: Window) -> Result<(), ErrorFrame<'static>> {
        match self {
            Self::Behind(after) if after < window.removed => Err(CONSUMER_TOO_SLOW),
            Self::Behind(_) | Self::Live => Ok(()),
        }
    }

    /// Returns the position as it is kept.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let (kind, after) = match self {
            Self::Behind(after) => (BEHIND, after),
            Self::Live => (LIVE, 0),
        };
        let mut bytes = [kind; Self::BYTES];
        bytes[1..].copy_from_slice(&after.to_be_bytes());
        bytes
    }

    /// Reads a position as it was kept, if it is one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, after) = bytes.split_first()?;
        let after = i64::from_be_bytes(after.try_into().ok()?);
        match *kind {
            BEHIND => Some(Self::Behind(after)),
            LIVE => Some(Self::Live),
            _ => None,
        }
    }
}

const BEHIND: u8 = 0;
const LIVE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { removed: 10, last: 20 };

    #[test]
    fn a_cursor_within_the_window_is_where_a_subscriber_begins() {
        for cursor in 10..=20 {
            let begins = Position::begin(cursor, WINDOW);
            assert_eq!(begins, Ok((Position::Behind(cursor), None)));
        }
        let empty = Window { removed: 0, last: 0 };
        assert_eq!(Position::begin(0, empty), Ok((Position::Behind(0), None)));
    }

    #[test]
    fn a_cursor_outside_of_it_is_told_so() {
        for cursor in [0, 9] {
            let begins = Position::begin(cursor, WINDOW);
            assert_eq!(begins, Ok((Position::Behind(10), Some(OUTDATED_CURSOR))));
        }
        assert_eq!(Position::begin(21, WINDOW), Err(FUTURE_CURSOR));
    }

    #[test]
    fn what_is_removed_before_it_is_sent_ends_the_stream() {
        assert_eq!(Position::Behind(10).check(WINDOW), Ok(()));
        assert_eq!(Position::Behind(9).check(WINDOW), Err(CONSUMER_TOO_SLOW));
        assert_eq!(Position::Live.check(WINDOW), Ok(()));
    }

    #[test]
    fn a_position_is_kept_as_bytes() {
        for position in [Position::Live, Position::Behind(0), Position::Behind(i64::MAX)] {
            assert_eq!(Position::from_bytes(&position.to_bytes()), Some(position));
        }
        for bytes in [&b""[..], b"live", &[2; 9], &[0; 10]] {
            assert_eq!(Position::from_bytes(bytes), None);
        }
    }
}
