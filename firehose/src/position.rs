//! The position of a subscriber in the stream.

use crate::{ErrorFrame, InfoEvent};

/// The position of a subscriber in the stream, which a server stores with the socket.
///
/// A subscriber starts *behind*: a replay sends it the events that it missed, in slices, from the
/// log. It becomes *live* in the turn in which the log has no more events for it, and then gets
/// each event in the turn that creates it. No event is lost or repeated in between.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Position {
    /// The subscriber has all events up to this number, and none after it.
    Behind(i64),
    /// The subscriber has all events.
    Live,
}

/// The range of the log: the events after `removed`, up to `last`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// The number of the last event removed from the log, or 0.
    pub removed: i64,
    /// The number of the last event, or 0.
    pub last: i64,
}

/// Sent to a subscriber whose cursor is older than the log, before the replay.
pub const OUTDATED_CURSOR: InfoEvent<'static> = InfoEvent {
    name: "OutdatedCursor",
    message: Some("Requested cursor exceeded limit. Possibly missing events"),
};

/// Sent to a subscriber whose cursor is ahead of the stream. The stream ends.
pub const FUTURE_CURSOR: ErrorFrame<'static> =
    ErrorFrame { error: "FutureCursor", message: Some("Cursor in the future.") };

/// Sent to a subscriber that reads too slowly. The stream ends.
pub const CONSUMER_TOO_SLOW: ErrorFrame<'static> =
    ErrorFrame { error: "ConsumerTooSlow", message: Some("Stream consumer too slow") };

impl Position {
    /// The length of an encoded position.
    pub const BYTES: usize = 9;

    /// Returns the initial position for a cursor, and a message to send first. For a subscriber
    /// without a cursor, pass the number of the last event.
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

    /// Checks that the log still has the subscriber's next event.
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

    /// Encodes the position.
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

    /// Decodes a position. Returns `None` for other bytes.
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
    fn cursor_within_the_window_starts_a_replay() {
        for cursor in 10..=20 {
            let begins = Position::begin(cursor, WINDOW);
            assert_eq!(begins, Ok((Position::Behind(cursor), None)));
        }
        let empty = Window { removed: 0, last: 0 };
        assert_eq!(Position::begin(0, empty), Ok((Position::Behind(0), None)));
    }

    #[test]
    fn cursor_outside_the_window_is_reported() {
        for cursor in [0, 9] {
            let begins = Position::begin(cursor, WINDOW);
            assert_eq!(begins, Ok((Position::Behind(10), Some(OUTDATED_CURSOR))));
        }
        assert_eq!(Position::begin(21, WINDOW), Err(FUTURE_CURSOR));
    }

    #[test]
    fn pruning_past_a_subscriber_ends_its_stream() {
        assert_eq!(Position::Behind(10).check(WINDOW), Ok(()));
        assert_eq!(Position::Behind(9).check(WINDOW), Err(CONSUMER_TOO_SLOW));
        assert_eq!(Position::Live.check(WINDOW), Ok(()));
    }

    #[test]
    fn positions_round_trip_through_bytes() {
        for position in [Position::Live, Position::Behind(0), Position::Behind(i64::MAX)] {
            assert_eq!(Position::from_bytes(&position.to_bytes()), Some(position));
        }
        for bytes in [&b""[..], b"live", &[2; 9], &[0; 10]] {
            assert_eq!(Position::from_bytes(bytes), None);
        }
    }
}
