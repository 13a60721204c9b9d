//! Hashes messages side by side: as one ends, the next takes its lane.

use crate::blocks::{BLANK, Block, START, State, Tail, digest_of, split};
use crate::single::digest;

/// How many messages are hashed at a time.
pub(crate) const LANES: usize = 4;

/// Takes blocks of several messages in at once.
pub(crate) trait Kernel: Copy {
    /// Takes the blocks of each lane into its state. Every lane has equally many.
    fn compress<const N: usize>(self, states: &mut [State; N], blocks: [&[Block]; N]);
}

/// Hashes messages by `kernel`; a short one may come out before longer ones that began earlier.
pub(crate) fn digest_each<'m>(
    kernel: impl Kernel,
    messages: impl IntoIterator<Item = &'m [u8]>,
    mut each: impl FnMut(usize, [u8; 32]),
) {
    let mut messages = messages.into_iter().enumerate().fuse();
    let Some((_, first)) = messages.next() else { return };
    let Some((_, second)) = messages.next() else { return each(0, digest(first)) };

    let mut tails = [BLANK; LANES];
    let mut states = [START; LANES];
    let mut lanes = [0, 1, 2, 3].map(Lane::idle);
    lanes[0].start(0, first, &mut tails);
    lanes[1].start(1, second, &mut tails);
    let mut busy = 2;
    for (lane, (index, message)) in lanes[busy..].iter_mut().zip(messages.by_ref()) {
        lane.start(index, message, &mut tails);
        busy += 1;
    }
    while busy > 0 {
        match busy {
            1 => step::<1>(kernel, &mut lanes, &mut states, &tails),
            2 => step::<2>(kernel, &mut lanes, &mut states, &tails),
            3 => step::<3>(kernel, &mut lanes, &mut states, &tails),
            _ => step::<LANES>(kernel, &mut lanes, &mut states, &tails),
        }
        let mut at = 0;
        while at < busy {
            if !lanes[at].is_done() {
                at += 1;
                continue;
            }
            each(lanes[at].index, digest_of(&states[at]));
            if let Some((index, message)) = messages.next() {
                lanes[at].start(index, message, &mut tails);
                states[at] = START;
                at += 1;
            } else {
                // The busy lanes stay together, at the front.
                busy -= 1;
                lanes.swap(at, busy);
                states.swap(at, busy);
            }
        }
    }
}

/// Takes as many blocks into each of the first `N` lanes as all of them have at hand.
#[inline]
fn step<const N: usize>(
    kernel: impl Kernel,
    lanes: &mut [Lane<'_>; LANES],
    states: &mut [State; LANES],
    tails: &[Tail; LANES],
) {
    let lanes = lanes.first_chunk_mut::<N>().expect("there are N lanes");
    let states = states.first_chunk_mut::<N>().expect("there are N states");
    let ready = lanes.each_ref().map(|lane| lane.ready(tails));
    let count = ready.iter().fold(usize::MAX, |least, blocks| least.min(blocks.len()));
    kernel.compress(states, ready.map(|blocks| &blocks[..count]));
    for lane in lanes {
        lane.advance(count);
    }
}

/// A message under way.
struct Lane<'m> {
    /// Which message it is.
    index: usize,
    /// Its whole blocks that are still to be hashed.
    body: &'m [Block],
    /// Where its tail is: lanes change places, and tails are too long to be moved about.
    tail: usize,
    /// The next block of the tail.
    next: usize,
}

impl<'m> Lane<'m> {
    fn idle(tail: usize) -> Self {
        Self { index: 0, body: &[], tail, next: 0 }
    }

    #[inline]
    fn start(&mut self, index: usize, message: &'m [u8], tails: &mut [Tail; LANES]) {
        self.index = index;
        (self.body, self.next) = split(message, &mut tails[self.tail]);
    }

    /// Returns the blocks that can be hashed next, at least one if the lane is not done.
    #[inline]
    fn ready<'a>(&self, tails: &'a [Tail; LANES]) -> &'a [Block]
    where
        'm: 'a,
    {
        if self.body.is_empty() { &tails[self.tail][self.next..] } else { self.body }
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        if self.body.is_empty() {
            self.next += count;
        } else {
            self.body = &self.body[count..];
        }
    }

    #[inline]
    fn is_done(&self) -> bool {
        self.body.is_empty() && self.next == size_of::<Tail>() / size_of::<Block>()
    }
}
