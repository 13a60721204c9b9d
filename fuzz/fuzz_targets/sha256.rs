//! Hashes of many messages, and of one, are those of another implementation.
//!
//! The input is a list of messages, each with its length in two bytes before it.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use support::Input;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let mut messages = Vec::new();
    while !input.is_empty() && messages.len() < MAX_MESSAGES {
        let length = input.number() % (input.0.len() + 1);
        let (message, rest) = input.0.split_at(length);
        messages.push(message);
        input.0 = rest;
    }
    let expected: Vec<[u8; 32]> =
        messages.iter().map(|message| Sha256::digest(message).into()).collect();
    for (message, digest) in messages.iter().zip(&expected) {
        assert_eq!(nacre_sha256::digest(message), *digest);
    }
    let mut found = vec![None; messages.len()];
    nacre_sha256::digest_each(messages.iter().copied(), |index, digest| {
        assert!(found[index].replace(digest).is_none(), "each message is hashed once");
    });
    assert_eq!(found, expected.into_iter().map(Some).collect::<Vec<_>>());
});

const MAX_MESSAGES: usize = 200;
