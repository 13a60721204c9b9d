//! One post, through each function of the crate.

use core::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nacre_lexicon::{blobs, check, cid_for, record_from_json, to_cbor, to_json};

const POST: &str = r#"{
  "$type": "app.bsky.feed.post",
  "text": "Nacreous clouds shine after sunset, far above the weather 🌈 and all of it.",
  "createdAt": "2026-11-22T21:30:00.000Z",
  "langs": ["en"],
  "reply": {
    "root": {
      "uri": "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3jzfcijpj2z2a",
      "cid": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
    },
    "parent": {
      "uri": "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3jzfcijpj2z2b",
      "cid": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
    }
  }
}"#;

fn post(criterion: &mut Criterion) {
    let cbor = to_cbor(POST).expect("the post is data");
    let bytes = |len: usize| Throughput::Bytes(u64::try_from(len).expect("a post is short"));
    let mut group = criterion.benchmark_group("lexicon");
    group.throughput(bytes(POST.len()));
    group.bench_function("to_cbor/post", |bencher| bencher.iter(|| to_cbor(black_box(POST))));
    group.bench_function("record_from_json/post", |bencher| {
        bencher.iter(|| record_from_json(black_box(POST), "app.bsky.feed.post"));
    });
    group.throughput(bytes(cbor.len()));
    group.bench_function("check/post", |bencher| bencher.iter(|| check(black_box(&cbor))));
    group.bench_function("blobs/post", |bencher| bencher.iter(|| blobs(black_box(&cbor))));
    group.bench_function("to_json/post", |bencher| bencher.iter(|| to_json(black_box(&cbor))));
    group.bench_function("cid_for/post", |bencher| bencher.iter(|| cid_for(black_box(&cbor))));
    group.finish();
}

criterion_group!(benches, post);
criterion_main!(benches);
