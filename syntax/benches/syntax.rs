//! Parsing and printing, one value at a time.

use core::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use nacre_syntax::{AtUri, Datetime, Did, Handle, Language, Nsid, RepoPath, Tid, TidClock};

fn parse(c: &mut Criterion) {
    macro_rules! bench {
        ($id:literal, $name:ident, $text:expr) => {
            let text: &str = $text;
            c.bench_function(concat!("syntax/parse_", $id), |b| {
                b.iter(|| $name::parse(black_box(text)));
            });
        };
    }
    bench!("tid/1", Tid, "3jzfcijpj2z2a");
    bench!("did/1", Did, "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
    bench!("handle/1", Handle, "alice.example.com");
    bench!("nsid/1", Nsid, "app.bsky.feed.post");
    bench!("repo_path/1", RepoPath, "app.bsky.feed.post/3jzfcijpj2z2a");
    bench!(
        "at_uri/1",
        AtUri,
        "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3jzfcijpj2z2a"
    );
    bench!("datetime/1", Datetime, "1985-04-12T23:20:50.123Z");
    bench!("language/1", Language, "zh-Hant-TW");
}

fn print(c: &mut Criterion) {
    c.bench_function("syntax/print_tid/1", |b| {
        let tid = Tid::from_micros(1_700_000_000_000_000, 7);
        b.iter(|| black_box(tid).to_ascii());
    });
    c.bench_function("syntax/print_datetime/1", |b| {
        b.iter(|| Datetime::from_unix_millis(black_box(1_700_000_000_000)));
    });
    c.bench_function("syntax/next_tid/1", |b| {
        let mut clock = TidClock::new(7);
        b.iter(|| clock.next(black_box(1_700_000_000_000_000)));
    });
}

criterion_group!(benches, parse, print);
criterion_main!(benches);
