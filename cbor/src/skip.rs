//! Skips items without recursion.

use crate::{FALSE, Head, Major, NULL, ReadError, Reader, TRUE};

impl Reader<'_> {
    /// Skips one item that nests at most `DEPTH` arrays, maps and tags.
    ///
    /// Its heads must be in their shortest form and of definite length. Text need not be UTF-8,
    /// keys may be of any type and in any order, and tags may be any. Allocates nothing, but takes
    /// 8 bytes of the stack for each level of `DEPTH`.
    ///
    /// ```
    /// use nacre_cbor::{ReadError, Reader};
    ///
    /// let bytes = b"\x82\x81\x01\x61a\x02";
    /// let mut reader = Reader::new(bytes);
    /// assert_eq!(reader.skip::<1>(), Err(ReadError::Depth(1)));
    /// let mut reader = Reader::new(bytes);
    /// reader.skip::<2>()?;
    /// assert_eq!(reader.unsigned()?, 2);
    /// # Ok::<(), ReadError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Self::head`] for any item inside. [`ReadError::Depth`] for an array, map or tag
    /// that is nested deeper.
    #[inline]
    pub fn skip<const DEPTH: usize>(&mut self) -> Result<(), ReadError> {
        match self.skip_or_enter(DEPTH)? {
            0 => Ok(()),
            // Most items have none inside, so the stack is set up only here.
            inner => self.skip_members::<DEPTH>(inner),
        }
    }

    /// Skips this many members of an item, with all inside.
    #[inline(never)]
    fn skip_members<const DEPTH: usize>(&mut self, members: usize) -> Result<(), ReadError> {
        // For each open item around the innermost, the number of members that still follow.
        let mut outer = [0; DEPTH];
        let (mut open, mut left) = (0, members);
        loop {
            while left == 0 {
                let Some(around) = outer.get(..open).and_then(<[usize]>::last) else {
                    return Ok(());
                };
                (left, open) = (*around, open - 1);
            }
            left -= 1;
            let inner = self.skip_or_enter(DEPTH.saturating_sub(1 + open))?;
            if inner > 0
                && let Some(slot) = outer.get_mut(open)
            {
                *slot = left;
                (left, open) = (inner, open + 1);
            }
        }
    }

    /// Skips an item without members, or the head of one with members and returns their number. At
    /// most `room` more levels may be opened.
    #[inline(always)]
    fn skip_or_enter(&mut self, room: usize) -> Result<usize, ReadError> {
        if matches!(self.peek(), Some(FALSE | TRUE | NULL)) {
            self.skip_byte();
            return Ok(0);
        }
        let Head { major, argument, at } = self.head()?;
        let members = match major {
            Major::Unsigned | Major::Negative | Major::Simple => return Ok(0),
            Major::Bytes | Major::Text => return self.take(argument).map(|_| 0),
            Major::Array => argument,
            Major::Map => argument.saturating_mul(2),
            Major::Tag => 1,
        };
        if room == 0 {
            return Err(ReadError::Depth(at));
        }
        // Each member has at least one byte.
        let members = usize::try_from(members).ok();
        members.filter(|members| *members <= self.rest().len()).ok_or(ReadError::Truncated)
    }
}
