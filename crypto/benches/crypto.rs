//! Signing, verifying and reading keys, on both curves.

use core::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use nacre_crypto::{Curve, SigningKey, VerifyingKey};

const MESSAGE_BYTES: usize = 150;

fn crypto(c: &mut Criterion) {
    let message = [7; MESSAGE_BYTES];
    for (name, curve) in [("k256", Curve::K256), ("p256", Curve::P256)] {
        let key = SigningKey::from_bytes(curve, &[1; 32]).expect("the number is in range");
        let public = key.verifying_key();
        let did_key = public.to_did_key();
        let signature = key.sign(&message);
        c.bench_function(&format!("crypto/sign_{name}/{MESSAGE_BYTES}"), |b| {
            b.iter(|| key.sign(black_box(&message)));
        });
        c.bench_function(&format!("crypto/verify_{name}/{MESSAGE_BYTES}"), |b| {
            b.iter(|| public.verify(black_box(&message), &signature));
        });
        c.bench_function(&format!("crypto/parse_did_key_{name}/1"), |b| {
            b.iter(|| VerifyingKey::parse_did_key(black_box(&did_key)));
        });
        c.bench_function(&format!("crypto/print_did_key_{name}/1"), |b| {
            b.iter(|| black_box(public).to_did_key());
        });
    }
}

criterion_group!(benches, crypto);
criterion_main!(benches);
