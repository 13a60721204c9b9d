//! Signing, verifying and reading keys, on both curves.

use core::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use nacre_crypto::{Curve, SigningKey, VerifyingKey};

/// About what an unsigned commit has.
const MESSAGE_BYTES: usize = 150;

fn crypto(c: &mut Criterion) {
    for (name, curve) in [("k256", Curve::K256), ("p256", Curve::P256)] {
        let key = SigningKey::from_bytes(curve, &[1; 32]).expect("the number is in range");
        let public = key.verifying_key();
        sign_and_verify(c, name, &key);

        let did_key = public.to_did_key();
        c.bench_function(&format!("crypto/parse_did_key/{name}"), |b| {
            b.iter(|| VerifyingKey::parse_did_key(black_box(&did_key)));
        });
        c.bench_function(&format!("crypto/to_did_key/{name}"), |b| {
            b.iter(|| black_box(public).to_did_key());
        });
        let hex = key.to_hex();
        c.bench_function(&format!("crypto/parse_hex/{name}"), |b| {
            b.iter(|| SigningKey::parse_hex(curve, black_box(&hex)));
        });
    }
}

fn sign_and_verify(c: &mut Criterion, name: &str, key: &SigningKey) {
    let message = [7; MESSAGE_BYTES];
    let public = key.verifying_key();
    let signature = key.sign(&message);
    c.bench_function(&format!("crypto/sign/{name}"), |b| {
        b.iter(|| key.sign(black_box(&message)));
    });
    c.bench_function(&format!("crypto/verify/{name}"), |b| {
        b.iter(|| public.verify(black_box(&message), &signature));
    });
}

criterion_group!(benches, crypto);
criterion_main!(benches);
