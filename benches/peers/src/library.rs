//! The libraries, by name.

use crate::measured::Measured;
use crate::row::Row::{self, *};
use crate::world::World;

pub struct Library {
    pub name: &'static str,
    pub what: &'static str,
    /// The rows that it has.
    pub rows: &'static [Row],
    /// The largest repository that it is asked to do: the slow ones would take minutes beyond.
    pub largest: usize,
}

/// All libraries, in the order of the table.
pub const LIBRARIES: &[Library] = &[
    Library {
        name: NACRE,
        what: "this checkout, with `precomputed-tables` and `secp256k1` of its crypto; `insert`, \
               `diff` and `proof` read a store that is marked as verified",
        rows: &Row::ALL,
        largest: usize::MAX,
    },
    Library {
        name: SHRIKE,
        what: "shrike 0.8.2 with its feature `secp256k1`",
        rows: &Row::ALL,
        largest: usize::MAX,
    },
    Library {
        name: "repo-stream",
        what: "repo-stream 0.5.0-alpha.10",
        rows: &[WalkTree, WalkShuffled],
        largest: usize::MAX,
    },
    Library {
        name: "jacquard",
        what: "jacquard-repo 0.12.2; it does not compare the blocks of a CAR with their CIDs",
        rows: &[
            Height,
            BuildSorted,
            BuildTime,
            Insert,
            WalkTree,
            WalkShuffled,
            CarWrite,
            Diff,
            Invert,
        ],
        largest: 100_000,
    },
    Library {
        name: "atrium",
        what: "atrium-repo 0.2.0; it checks neither the order nor the height of keys",
        rows: &[BuildSorted, BuildTime, Insert, WalkTree, WalkShuffled, CarWrite, Invert],
        largest: 100_000,
    },
    Library {
        name: "rsky",
        what: "rsky-repo 0.1.4; it does not compare the blocks of a CAR with their CIDs",
        rows: &[
            Height,
            BuildSorted,
            BuildTime,
            Insert,
            WalkTree,
            WalkShuffled,
            CarWrite,
            Diff,
            Proof,
            Invert,
        ],
        largest: 100_000,
    },
    Library {
        name: "dagcbor",
        what: "serde_ipld_dagcbor 0.7 with a type made for the post, strings borrowed",
        rows: &[RecordCheck, RecordEncode],
        largest: usize::MAX,
    },
    Library {
        name: "RustCrypto 0.13",
        what: "k256 0.13 and p256 0.13 with their default features",
        rows: &[K256Sign, K256Verify, P256Sign, P256Verify],
        largest: usize::MAX,
    },
    Library {
        name: "RustCrypto 0.14",
        what: "k256 0.14 and p256 0.14 with their default features",
        rows: &[K256Sign, K256Verify, P256Sign, P256Verify],
        largest: usize::MAX,
    },
    Library {
        name: "libsecp256k1",
        what: "secp256k1 0.33, which is the C library",
        rows: &[K256Sign, K256Verify],
        largest: usize::MAX,
    },
];

pub const NACRE: &str = "nacre";
pub const SHRIKE: &str = "shrike";

/// Makes a row of a library ready. `None` means that the library, as it is built here, lacks it.
pub fn case_of<'w>(library: &str, row: Row, world: &'w World) -> Option<Box<dyn Measured + 'w>> {
    match library {
        NACRE => crate::nacre::case_of(row, world),
        SHRIKE => crate::shrike::case_of(row, world),
        #[cfg(feature = "peers")]
        "repo-stream" => crate::repo_stream::case_of(row, world),
        #[cfg(feature = "peers")]
        "jacquard" => crate::jacquard::case_of(row, world),
        #[cfg(feature = "peers")]
        "atrium" => crate::atrium::case_of(row, world),
        #[cfg(feature = "peers")]
        "rsky" => crate::rsky::case_of(row, world),
        #[cfg(feature = "peers")]
        "dagcbor" => crate::dagcbor::case_of(row),
        #[cfg(feature = "peers")]
        "RustCrypto 0.13" => crate::curves::rustcrypto_13(row),
        #[cfg(feature = "peers")]
        "RustCrypto 0.14" => crate::curves::rustcrypto_14(row),
        #[cfg(feature = "peers")]
        "libsecp256k1" => crate::curves::libsecp256k1(row),
        _ => None,
    }
}
