//! What is measured, and what is to be reached.

/// A row of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Row {
    Height,
    BuildSorted,
    BuildTime,
    Insert,
    InsertChecked,
    WalkTree,
    WalkShuffled,
    CarWrite,
    Diff,
    Proof,
    Invert,
    RecordCheck,
    RecordEncode,
    JsonEncode,
    JsonDecode,
    ValidatePost,
    ValidateLike,
    ValidateFollow,
    ValidateProfile,
    K256Sign,
    K256Verify,
    P256Sign,
    P256Verify,
}

/// What is said of a row beside its numbers.
pub struct Facts {
    pub name: &'static str,
    pub what: &'static str,
    pub unit: Unit,
    pub goals: &'static [Goal],
}

#[derive(Clone, Copy)]
pub enum Unit {
    Nanos,
    Micros,
    Millis,
}

/// What ours is to reach at 100,000 records.
#[derive(Clone, Copy)]
pub enum Goal {
    /// So many times as fast as shrike in the same run.
    Ratio(f64),
    /// At most so many nanoseconds.
    Nanos(f64),
    /// At most so many bytes of the heap at one time.
    Peak(u64),
    /// At most so many allocations.
    Allocations(u64),
}

use Goal::{Allocations, Nanos, Peak, Ratio};

impl Row {
    pub fn is_of_a_curve(self) -> bool {
        matches!(self, Self::K256Sign | Self::K256Verify | Self::P256Sign | Self::P256Verify)
    }

    pub const ALL: [Self; 23] = [
        Self::Height,
        Self::BuildSorted,
        Self::BuildTime,
        Self::Insert,
        Self::InsertChecked,
        Self::WalkTree,
        Self::WalkShuffled,
        Self::CarWrite,
        Self::Diff,
        Self::Proof,
        Self::Invert,
        Self::RecordCheck,
        Self::RecordEncode,
        Self::JsonEncode,
        Self::JsonDecode,
        Self::ValidatePost,
        Self::ValidateLike,
        Self::ValidateFollow,
        Self::ValidateProfile,
        Self::K256Sign,
        Self::K256Verify,
        Self::P256Sign,
        Self::P256Verify,
    ];

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|row| row.facts().name == name)
    }

    /// Returns whether the row depends on the size of the repository.
    pub fn is_sized(self) -> bool {
        (self as usize) > Self::Height as usize && (self as usize) <= Self::Invert as usize
    }

    /// Returns whether the row does something to every record, so that its time is divided by
    /// their number when sizes are compared.
    pub fn is_whole(self) -> bool {
        (self as usize) >= Self::BuildSorted as usize
            && (self as usize) <= Self::CarWrite as usize
            && !matches!(self, Self::Insert | Self::InsertChecked)
    }

    pub fn facts(self) -> Facts {
        use Unit::{Micros, Millis, Nanos as N};
        let (name, what, unit, goals): (_, _, _, &[Goal]) = match self {
            Self::Height => ("height", "height of a key in the tree", N, &[]),
            Self::BuildSorted => (
                "build-sorted",
                "all nodes of the tree, from keys in order",
                Millis,
                &[Ratio(6.0), Peak(10_000_000)],
            ),
            Self::BuildTime => (
                "build-time",
                "all nodes of the tree, from keys in the order they were made",
                Millis,
                &[Ratio(5.0)],
            ),
            Self::Insert => (
                "insert",
                "one new key in a stored tree; new blocks and root",
                Micros,
                &[Ratio(4.0), Allocations(16)],
            ),
            Self::InsertChecked => (
                "insert-checked",
                "the same in a store that ours is not told to trust",
                Micros,
                &[],
            ),
            Self::WalkTree => (
                "walk-tree",
                "verify a CAR in the tree's order and see every record",
                Millis,
                &[Ratio(3.0), Peak(4_000)],
            ),
            Self::WalkShuffled => (
                "walk-shuffled",
                "the same with the blocks in any order",
                Millis,
                &[Ratio(1.6), Peak(2_500_000)],
            ),
            Self::CarWrite => ("car-write", "write a CAR in chunks", Millis, &[Ratio(2.0)]),
            Self::Diff => {
                ("diff", "find 100 changes between two stored trees", Millis, &[Nanos(200_000.0)])
            }
            Self::Proof => ("proof", "covering proof of one create", Micros, &[Ratio(8.0)]),
            Self::Invert => ("invert", "undo one create in its proof", Micros, &[Ratio(4.0)]),
            Self::RecordCheck => {
                ("record-check", "strict check of a post of 370 bytes", N, &[Nanos(210.0)])
            }
            Self::RecordEncode => {
                ("record-encode", "encode that post from a value", N, &[Nanos(100.0)])
            }
            Self::JsonEncode => ("json-encode", "JSON to DAG-CBOR, that post", N, &[Ratio(1.3)]),
            Self::JsonDecode => ("json-decode", "DAG-CBOR to JSON, that post", N, &[Ratio(1.0)]),
            Self::ValidatePost => (
                "validate-post",
                "that post by its schema; ours checks the bytes too",
                N,
                &[Ratio(4.0)],
            ),
            Self::ValidateLike => ("validate-like", "a like by its schema", N, &[Ratio(2.5)]),
            Self::ValidateFollow => ("validate-follow", "a follow by its schema", N, &[Ratio(2.0)]),
            Self::ValidateProfile => {
                ("validate-profile", "a profile with two blobs by its schema", N, &[Ratio(4.0)])
            }
            Self::K256Sign => ("k256-sign", "sign 150 bytes, K-256", Micros, &[]),
            Self::K256Verify => ("k256-verify", "verify that signature", Micros, &[]),
            Self::P256Sign => ("p256-sign", "sign 150 bytes, P-256", Micros, &[]),
            Self::P256Verify => ("p256-verify", "verify that signature", Micros, &[]),
        };
        Facts { name, what, unit, goals }
    }
}
