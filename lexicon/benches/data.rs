//! One post of 370 bytes through each function of the crate, beside other people's libraries.

use core::hint::black_box;
use std::io::Write;

use bumpalo::Bump;
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use nacre_lexicon::{
    EncodeError, blobs, check, cid_for, record_from_json, to_cbor, to_json, write_object,
};
use serde::{Deserialize, Serialize};
use shrike::cbor::{CborError, Decoder, Encoder, Value, decode, encode_value, encode_value_into};

const TEXT: &str = "Grüße aus Zürich — 日本語も少し. Nacreous clouds shine after sunset, far above \
    the weather and all of it, until the last of the light has finally gone.";

/// The post as a program has it, in the order of its bytes.
#[derive(Deserialize, Serialize)]
struct Post<'a> {
    text: &'a str,
    #[serde(rename = "$type")]
    kind: &'a str,
    #[serde(borrow)]
    langs: Vec<&'a str>,
    #[serde(borrow)]
    facets: Vec<Facet<'a>>,
    #[serde(rename = "createdAt")]
    created_at: &'a str,
}

#[derive(Deserialize, Serialize)]
struct Facet<'a> {
    index: Index,
    #[serde(borrow)]
    features: Vec<Link<'a>>,
}

#[derive(Deserialize, Serialize)]
struct Index {
    #[serde(rename = "byteEnd")]
    end: u32,
    #[serde(rename = "byteStart")]
    start: u32,
}

#[derive(Deserialize, Serialize)]
struct Link<'a> {
    uri: &'a str,
    #[serde(rename = "$type")]
    kind: &'a str,
}

impl Post<'_> {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write_object(out, 5, |post| {
            post.key("text").text(self.text);
            post.key("$type").text(self.kind);
            let mut langs = post.key("langs").array(self.langs.len());
            self.langs.iter().for_each(|lang| langs.item().text(lang));
            let mut facets = post.key("facets").array(self.facets.len());
            for facet in &self.facets {
                let mut object = facets.item().object(2);
                let mut index = object.key("index").object(2);
                index.key("byteEnd").integer(facet.index.end.into());
                index.key("byteStart").integer(facet.index.start.into());
                let mut features = object.key("features").array(facet.features.len());
                for link in &facet.features {
                    let mut object = features.item().object(2);
                    object.key("uri").text(link.uri);
                    object.key("$type").text(link.kind);
                }
            }
            post.key("createdAt").text(self.created_at);
        })
    }
}

/// Writes the post in calls as [`Post::write`] makes them; nothing checks their order or number.
fn stream(post: &Post<'_>, out: impl Write) -> Result<(), CborError> {
    let len = |len: usize| u64::try_from(len).expect("a post is short");
    let mut out = Encoder::new(out);
    out.encode_map_header(5)?;
    out.encode_text("text")?;
    out.encode_text(post.text)?;
    out.encode_text("$type")?;
    out.encode_text(post.kind)?;
    out.encode_text("langs")?;
    out.encode_array_header(len(post.langs.len()))?;
    for lang in &post.langs {
        out.encode_text(lang)?;
    }
    out.encode_text("facets")?;
    out.encode_array_header(len(post.facets.len()))?;
    for facet in &post.facets {
        out.encode_map_header(2)?;
        out.encode_text("index")?;
        out.encode_map_header(2)?;
        out.encode_text("byteEnd")?;
        out.encode_i64(facet.index.end.into())?;
        out.encode_text("byteStart")?;
        out.encode_i64(facet.index.start.into())?;
        out.encode_text("features")?;
        out.encode_array_header(len(facet.features.len()))?;
        for link in &facet.features {
            out.encode_map_header(2)?;
            out.encode_text("uri")?;
            out.encode_text(link.uri)?;
            out.encode_text("$type")?;
            out.encode_text(link.kind)?;
        }
    }
    out.encode_text("createdAt")?;
    out.encode_text(post.created_at)
}

fn post(criterion: &mut Criterion) {
    let uri = "https://example.com/nacreous-clouds";
    let features = vec![Link { uri, kind: "app.bsky.richtext.facet#link" }];
    let post = Post {
        text: TEXT,
        kind: "app.bsky.feed.post",
        langs: vec!["de", "ja"],
        facets: vec![Facet { index: Index { end: 120, start: 80 }, features }],
        created_at: "2026-11-22T21:30:00.000Z",
    };
    let mut cbor = Vec::new();
    post.write(&mut cbor).expect("the post is data");
    let json = to_json(&cbor).expect("the post is data");
    let value = decode(&cbor).expect("the post is data");
    assert_eq!(serde_ipld_dagcbor::to_vec(&post).expect("the post is data"), cbor);
    assert_eq!(cbor.len(), 370);

    let bytes = |len: usize| Throughput::Bytes(u64::try_from(len).expect("a post is short"));
    let mut group = criterion.benchmark_group("lexicon");
    group.throughput(bytes(json.len()));
    group.bench_function("to_cbor/370", |bencher| bencher.iter(|| to_cbor(black_box(&json))));
    group.bench_function("record_from_json/370", |bencher| {
        bencher.iter(|| record_from_json(black_box(&json), "app.bsky.feed.post"));
    });

    group.throughput(bytes(cbor.len()));
    group.bench_function("check/370", |bencher| bencher.iter(|| check(black_box(&cbor))));
    group.bench_function("check/370/shrike", |bencher| {
        bencher.iter(|| decode(black_box(&cbor)));
    });
    group.bench_function("check/370/shrike_arena", |bencher| {
        let mut arena = Bump::new();
        bencher.iter(|| {
            arena.reset();
            let mut decoder = Decoder::new(black_box(&cbor));
            decoder.decode_bump(&arena).is_ok() && decoder.is_empty()
        });
    });
    group.bench_function("check/370/serde_ipld_dagcbor", |bencher| {
        bencher.iter(|| serde_ipld_dagcbor::from_slice::<Post<'_>>(black_box(&cbor)));
    });
    group.bench_function("blobs/370", |bencher| bencher.iter(|| blobs(black_box(&cbor))));
    group.bench_function("to_json/370", |bencher| bencher.iter(|| to_json(black_box(&cbor))));
    group.bench_function("cid_for/370", |bencher| bencher.iter(|| cid_for(black_box(&cbor))));

    write(&mut group, &post, &value);
    group.finish();
}

fn write(group: &mut BenchmarkGroup<'_, WallTime>, post: &Post<'_>, value: &Value<'_>) {
    group.bench_function("write_object/370", |bencher| {
        bencher.iter(|| {
            let mut out = Vec::with_capacity(512);
            black_box(post).write(&mut out).map(|()| out)
        });
    });
    group.bench_function("write_object/370/shrike", |bencher| {
        bencher.iter(|| encode_value(black_box(value)));
    });
    group.bench_function("write_object/370/shrike_unchecked", |bencher| {
        bencher.iter(|| {
            let mut out = Vec::with_capacity(512);
            stream(black_box(post), &mut out).map(|()| out)
        });
    });
    group.bench_function("write_object/370/serde_ipld_dagcbor", |bencher| {
        bencher.iter(|| serde_ipld_dagcbor::to_vec(black_box(post)));
    });
    group.bench_function("write_object_again/370", |bencher| {
        let mut out = Vec::with_capacity(512);
        bencher.iter(|| {
            out.clear();
            black_box(post).write(&mut out).expect("the post is data");
            black_box(&out);
        });
    });
    group.bench_function("write_object_again/370/shrike", |bencher| {
        let mut out = Vec::with_capacity(512);
        bencher.iter(|| {
            out.clear();
            encode_value_into(black_box(value), &mut out).expect("the post is data");
            black_box(&out);
        });
    });
    group.bench_function("write_object_again/370/shrike_unchecked", |bencher| {
        let mut out = Vec::with_capacity(512);
        bencher.iter(|| {
            out.clear();
            stream(black_box(post), &mut out).expect("the post is data");
            black_box(&out);
        });
    });
}

criterion_group!(benches, post);
criterion_main!(benches);
