//! Heads of each length, keys, links, and skipping.

use core::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nacre_cbor::{
    Digest, Major, Reader, write_array, write_digest, write_head, write_integer, write_map,
    write_text,
};

const COUNT: u64 = 1000;

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cbor");
    group.throughput(Throughput::Elements(COUNT));
    for (name, base) in [("1", 10), ("2", 100), ("3", 1000), ("5", 100_000), ("9", 1 << 40)] {
        let mut bytes = Vec::new();
        (0..COUNT).for_each(|step| write_head(&mut bytes, Major::Unsigned, base + step % 10));
        group.bench_function(format!("write_head/{name}"), |bencher| {
            let mut out = Vec::with_capacity(bytes.len());
            bencher.iter(|| {
                out.clear();
                for step in 0..COUNT {
                    write_head(&mut out, Major::Unsigned, black_box(base) + step % 10);
                }
                out.len()
            });
        });
        group.bench_function(format!("head/{name}"), |bencher| {
            bencher.iter(|| {
                let mut reader = Reader::new(black_box(&bytes));
                let mut sum = 0;
                while let Ok(head) = reader.head() {
                    sum ^= head.argument;
                }
                sum
            });
        });
        group.bench_function(format!("skip/{name}"), |bencher| {
            bencher.iter(|| {
                let mut reader = Reader::new(black_box(&bytes));
                while reader.skip::<16>().is_ok() {}
                reader.offset()
            });
        });
    }
    group.finish();
}

/// A thousand maps like the operations of a commit event.
fn maps(criterion: &mut Criterion) {
    let mut bytes = Vec::new();
    write_array(&mut bytes, usize::try_from(COUNT).expect("1000 fits"));
    for _ in 0..COUNT {
        write_map(&mut bytes, 3);
        write_text(&mut bytes, "cid");
        write_digest(&mut bytes, &Digest([7; 32]));
        write_text(&mut bytes, "seq");
        write_integer(&mut bytes, 123_456_789);
        write_text(&mut bytes, "path");
        write_text(&mut bytes, "app.bsky.feed.post/3jzfcijpj2z2a");
    }
    let mut group = criterion.benchmark_group("cbor");
    group.throughput(Throughput::Elements(COUNT));
    group.bench_function("skip/maps", |bencher| {
        bencher.iter(|| Reader::new(black_box(&bytes)).skip::<16>());
    });
    group.bench_function("keys/maps", |bencher| {
        bencher.iter(|| {
            let mut reader = Reader::new(black_box(&bytes));
            let (mut links, mut length) = (0, 0);
            for _ in 0..reader.array().unwrap_or_default() {
                let mut keys = reader.keys().expect("it was written");
                while let Some(key) = keys.next_text(&mut reader).expect("it was written") {
                    match key {
                        "cid" => links += usize::from(reader.link().is_ok()),
                        "path" => length += reader.text().map_or(0, str::len),
                        _ => reader.skip::<16>().expect("it was written"),
                    }
                }
            }
            (links, length)
        });
    });
    group.finish();
}

criterion_group!(benches, heads, maps);
criterion_main!(benches);
