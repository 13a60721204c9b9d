//! Every way to hash many messages, against `sha2` one by one.
extern crate alloc;
extern crate std;

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use crate::blocks::{Block, State};
use crate::lanes::{self, Kernel};
use crate::quad::Quad;
use crate::{digest, digest_each, digest_one_by_one};

/// Digests that the standard's authors publish, and where a message of each border ends.
#[test]
fn known_messages_have_their_known_digests() {
    let million = "a".repeat(1_000_000);
    let known = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn\
             hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
        ),
        (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ];
    for (message, hex) in known {
        assert_eq!(to_hex(digest(message.as_bytes())), hex);
    }
    let messages: Vec<_> = known.iter().map(|(message, _)| message.as_bytes()).collect();
    for digests in every_way(&messages) {
        let digests: Vec<_> = digests.into_iter().map(to_hex).collect();
        assert_eq!(digests, known.map(|(_, hex)| hex));
    }
}

#[test]
fn a_message_of_any_short_length_is_hashed_right() {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(300).collect();
    for length in 0..=bytes.len() {
        assert_eq!(digest(&bytes[..length]), reference(&bytes[..length]), "{length} bytes");
    }
    let messages: Vec<_> = (0..=bytes.len()).map(|length| &bytes[..length]).collect();
    agrees_with_reference(&messages);
}

#[test]
fn messages_may_begin_anywhere_in_memory() {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(400).collect();
    let messages: Vec<_> = (0..64).flat_map(|from| [&bytes[from..], &bytes[from..200]]).collect();
    agrees_with_reference(&messages);
}

#[test]
fn no_messages_have_no_digests() {
    agrees_with_reference(&[]);
}

/// Four lanes show in the order of what comes out: nothing waits for a long message.
#[test]
fn the_lanes_are_used_where_the_processor_has_them() {
    #[cfg(target_arch = "x86_64")]
    let has_lanes = std::is_x86_feature_detected!("sha")
        && std::is_x86_feature_detected!("sse4.1")
        && std::is_x86_feature_detected!("ssse3");
    #[cfg(not(target_arch = "x86_64"))]
    let has_lanes = cfg!(all(target_arch = "wasm32", target_feature = "simd128"));
    let messages = [[0; 1000].as_slice(), b"short", b"short", b"short", b"short"];
    let mut order = Vec::new();
    digest_each(messages, |index, _| order.push(index));
    let position = order.iter().position(|index| *index == 0);
    assert_eq!(position, Some(if has_lanes { 4 } else { 0 }));
}

#[test]
fn an_iterator_that_has_ended_is_not_asked_again() {
    for count in 0..6 {
        let mut left = count;
        let mut ended = false;
        let messages = core::iter::from_fn(|| {
            assert!(!ended, "asked again");
            ended = left == 0;
            left -= usize::from(!ended);
            (!ended).then_some(b"a message".as_slice())
        });
        let mut digests = 0;
        lanes::digest_each(InTurn, messages, |_, _| digests += 1);
        assert_eq!(digests, count);
    }
}

proptest! {
    #[test]
    fn any_messages_are_hashed_right(messages in vec_of(message(), 0..20)) {
        let messages: Vec<_> = messages.iter().map(Vec::as_slice).collect();
        agrees_with_reference(&messages);
    }
}

/// Messages whose lengths are mostly near where one more block is needed.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let border = prop::sample::select(&[55, 56, 63, 64, 65, 119, 120, 127, 128, 183, 184, 192]);
    let length = prop_oneof![
        8 => border,
        4 => 0..70_usize,
        4 => 200..400_usize,
        1 => 1000..5000_usize,
    ];
    length.prop_flat_map(|length| vec_of(any::<u8>(), length))
}

/// Lanes without a machine that has them.
#[derive(Clone, Copy)]
struct InTurn;

impl Kernel for InTurn {
    fn compress<const N: usize>(self, states: &mut [State; N], blocks: [&[Block]; N]) {
        assert!(!blocks[0].is_empty(), "a step without blocks would never end");
        for (state, run) in states.iter_mut().zip(blocks) {
            assert_eq!(run.len(), blocks[0].len());
            compress256(state, run);
        }
    }
}

#[track_caller]
fn agrees_with_reference(messages: &[&[u8]]) {
    let expected: Vec<_> = messages.iter().map(|message| reference(message)).collect();
    for digests in every_way(messages) {
        assert_eq!(digests, expected);
    }
}

/// The digests of `messages` by every way that this machine has.
fn every_way(messages: &[&[u8]]) -> Vec<Vec<[u8; 32]>> {
    let all = || messages.iter().copied();
    let count = messages.len();
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
    let mut ways = vec![
        collect(count, |each| digest_each(all(), each)),
        collect(count, |each| digest_one_by_one(all(), each)),
        collect(count, |each| lanes::digest_each(InTurn, all(), each)),
        collect(count, |each| lanes::digest_each(Quad, all(), each)),
    ];
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = crate::sha_ni::ShaNi::detect() {
        ways.push(collect(count, |each| lanes::digest_each(kernel, all(), each)));
    }
    ways
}

/// What `hash` tells of `count` messages, each of which it must tell once.
fn collect(count: usize, hash: impl FnOnce(&mut dyn FnMut(usize, [u8; 32]))) -> Vec<[u8; 32]> {
    let mut digests = vec![None; count];
    hash(&mut |index, digest| {
        let before = digests[index].replace(digest);
        assert!(before.is_none(), "message {index} came out twice");
    });
    digests.into_iter().map(|digest| digest.expect("every message comes out")).collect()
}

fn reference(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

fn to_hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
