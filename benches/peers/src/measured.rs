//! An operation of a library, made ready to be measured.

use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;

use rustix::time::{ClockId, clock_gettime};

use crate::data::digest;
use crate::memory::{self, Taken};
use crate::samples::COMPARING;

/// A row of one library: so many operations, each on its own input.
pub trait Measured {
    fn operations(&self) -> usize;

    /// Does each operation once and returns a fingerprint of each result, by which libraries are
    /// compared before they are timed.
    fn answers(&mut self) -> Vec<u64>;

    /// Does all operations `passes` times and returns the nanoseconds of one.
    fn nanos(&mut self, passes: usize) -> f64;

    /// Does each operation once and returns the mean of what they took.
    fn taken(&mut self) -> Taken;
}

/// Makes a row of `operations` runs of `operation`, each on what `input` returns for its index.
///
/// Inputs are made, and the results of operations that take long dropped, outside of what is timed.
/// `answer` puts a result into the form in which all libraries are compared.
pub fn case<'w, I: 'w, T: 'w>(
    operations: usize,
    input: impl FnMut(usize) -> I + 'w,
    operation: impl FnMut(I) -> T + 'w,
    answer: impl FnMut(T) -> Vec<u8> + 'w,
) -> Box<dyn Measured + 'w> {
    Box::new(Case { operations, input, operation, answer })
}

struct Case<P, O, A> {
    operations: usize,
    input: P,
    operation: O,
    answer: A,
}

impl<I, T, P, O, A> Measured for Case<P, O, A>
where
    P: FnMut(usize) -> I,
    O: FnMut(I) -> T,
    A: FnMut(T) -> Vec<u8>,
{
    fn operations(&self) -> usize {
        self.operations
    }

    fn answers(&mut self) -> Vec<u64> {
        let mut one = |index| {
            let bytes = (self.answer)((self.operation)((self.input)(index)));
            let digest = digest(&bytes);
            u64::from_be_bytes(digest[..8].try_into().expect("eight bytes"))
        };
        COMPARING.store(true, Relaxed);
        let answers = (0..self.operations).map(&mut one).collect();
        COMPARING.store(false, Relaxed);
        answers
    }

    fn nanos(&mut self, passes: usize) -> f64 {
        let mut total = 0;
        for _ in 0..passes {
            if self.operations == 1 {
                let input = (self.input)(0);
                let start = cpu_nanos();
                let result = black_box((self.operation)(black_box(input)));
                total += cpu_nanos() - start;
                drop(result);
            } else {
                let inputs: Vec<I> = (0..self.operations).map(&mut self.input).collect();
                let start = cpu_nanos();
                for input in inputs {
                    black_box((self.operation)(black_box(input)));
                }
                total += cpu_nanos() - start;
            }
        }
        total as f64 / (passes * self.operations) as f64
    }

    fn taken(&mut self) -> Taken {
        let mut sum = Taken::default();
        for index in 0..self.operations {
            let input = (self.input)(index);
            let (result, taken) = memory::of(|| (self.operation)(input));
            drop(result);
            sum.peak += taken.peak;
            sum.allocations += taken.allocations;
        }
        let operations = self.operations as u64;
        Taken { peak: sum.peak / operations, allocations: sum.allocations / operations }
    }
}

/// Returns the time that this thread has spent on a processor. Others who use the machine make it
/// longer only by what they push out of the caches.
pub fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
