//! Private keys are overwritten when they are dropped. Their memory is read back through Linux.

#![cfg(target_os = "linux")]
#![allow(clippy::std_instead_of_core, clippy::unwrap_used, reason = "all of this is test code")]

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use data_encoding::HEXLOWER;
use nacre_crypto::{Curve, SigningKey};

/// A value behind memory that the allocator may use once the value is gone.
#[repr(C)]
struct Padded<T> {
    padding: [u8; 64],
    value: T,
}

/// Returns the bytes of this process from an address on.
fn memory(address: usize, count: usize) -> Vec<u8> {
    let mut file = File::open("/proc/self/mem").unwrap();
    file.seek(SeekFrom::Start(u64::try_from(address).unwrap())).unwrap();
    let mut bytes = vec![0; count];
    file.read_exact(&mut bytes).unwrap();
    bytes
}

/// Returns the memory of a value on the heap before and after it is dropped.
fn around_drop<T>(value: T) -> (Vec<u8>, Vec<u8>) {
    let boxed = Box::new(Padded { padding: [0xa5; 64], value });
    assert_eq!(boxed.padding[0], 0xa5);
    let (address, count) = (std::ptr::from_ref(&boxed.value).addr(), size_of::<T>());
    let before = memory(address, count);
    drop(boxed);
    (before, memory(address, count))
}

#[test]
fn dropped_private_keys_leave_no_secret_in_memory() {
    let secret: [u8; 32] = std::array::from_fn(|index| u8::try_from(index * 7 + 1).unwrap());
    for curve in [Curve::K256, Curve::P256] {
        let (before, after) = around_drop(SigningKey::from_bytes(curve, &secret).unwrap());
        // The number lies there in limbs, the least one first.
        let limbs: Vec<u8> = secret.iter().rev().copied().collect();
        let at = before.windows(limbs.len()).position(|window| window == limbs);
        let at = at.expect("the number is part of the key");
        for (left, part) in after[at..].chunks(8).zip(limbs.chunks(8)) {
            assert_ne!(left, part, "{curve:?}");
        }
    }
}

#[test]
fn value_without_a_secret_is_left_as_it_is() {
    let (before, after) = around_drop([0x5a_u8; 100]);
    assert_eq!(before, after, "or the test above could not fail");
}

#[test]
fn dropped_hex_of_a_private_key_leaves_no_secret_in_memory() {
    let secret: [u8; 32] = std::array::from_fn(|index| u8::try_from(index * 5 + 3).unwrap());
    let hex = HEXLOWER.encode(&secret);
    let text = SigningKey::from_bytes(Curve::K256, &secret).unwrap().to_hex();
    let (address, count) = (text.as_ptr().addr(), text.len());
    assert_eq!(memory(address, count), hex.as_bytes());
    drop(text);
    let after = memory(address, count);
    // The allocator may use the first bytes.
    for (left, part) in after.chunks(16).zip(hex.as_bytes().chunks(16)) {
        assert_ne!(left, part);
    }
}
