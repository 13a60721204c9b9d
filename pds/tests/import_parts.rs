//! Imports in parts: several CARs of one root, for repositories that are too large for one request.

#![allow(clippy::std_instead_of_alloc, clippy::unwrap_used, reason = "all of this is test code")]

mod client;

use client::Client;
use client::cars::{assert_repository_is, import, pieces, source, target, upload};
use nacre_car::Writer;
use serde_json::json;

/// Splits a CAR into parts of the same root with this many blocks each.
fn parts(car: &[u8], blocks: usize) -> Vec<Vec<u8>> {
    let reader = nacre_car::Reader::new(car).unwrap();
    let root = reader.roots()[0];
    let all: Vec<_> = reader.map(|block| block.unwrap()).collect();
    let part = |blocks: &[nacre_car::Block<'_>]| {
        let mut writer = Writer::new(&root);
        blocks.iter().for_each(|block| writer.block(&block.cid, block.bytes));
        writer.finish()
    };
    all.chunks(blocks).map(part).collect()
}

fn import_part(client: &Client, car: &[u8]) -> client::Answer {
    let mut request = upload(client, pieces(car, 1000, None));
    request.headers_mut().insert("nacre-import", "more".parse().unwrap());
    client.send(request)
}

#[test]
fn repository_can_be_imported_in_parts() {
    let source = source(700);
    let car = source.export();
    for blocks in [1000, 400, 97] {
        let client = target();
        let before = client.export();
        let parts = parts(&car, blocks);
        let (last, first) = parts.split_last().unwrap();
        for part in first {
            let answer = import_part(&client, part).json(200);
            assert!(answer["missingBlocks"].as_u64().unwrap() > 0, "{answer}");
            assert_eq!(client.export(), before);
        }
        let answer = import(&client, last).json(200);
        assert_eq!(answer, json!({ "oddRecords": 0, "oddExamples": [] }));
        assert_repository_is(&client, &car);
        assert_eq!(client.head(), source.head());
    }
}

#[test]
fn parts_can_be_repeated_reordered_and_interrupted() {
    let car = source(300).export();
    let parts = parts(&car, 60);
    let client = target();
    for index in [3, 0, 0, 2, 3] {
        let rows = client.host.rows().written;
        import_part(&client, &parts[index]).json(200);
        if index == 0 {
            let cut = client.send(upload(&client, pieces(&parts[1], 1000, Some(3))));
            assert_eq!(cut.status, 400);
        }
        assert!(client.host.rows().written - rows < 200);
    }
    for part in &parts[..parts.len() - 1] {
        import_part(&client, part).json(200);
    }
    let whole = import_part(&client, &parts[parts.len() - 1]).json(200);
    assert_eq!(whole["missingBlocks"], 0);
    import(&client, &parts[1]).succeeds();
    assert_repository_is(&client, &car);
}

#[test]
fn incomplete_last_part_is_refused_and_the_import_can_continue() {
    let car = source(300).export();
    let parts = parts(&car, 100);
    let client = target();
    import_part(&client, &parts[0]).json(200);
    let answer = import(&client, &parts[2]);
    assert_eq!(answer.status, 400);
    let message = answer.json(400)["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("missing block: "), "{message}");
    import_part(&client, &parts[3]).json(200);
    import(&client, &parts[1]).succeeds();
    assert_repository_is(&client, &car);
}

#[test]
fn repeated_part_does_not_rewrite_staged_rows() {
    let car = source(900).export();
    let parts = parts(&car, 500);
    let client = target();
    import_part(&client, &parts[0]).json(200);
    let rows = client.host.rows().written;
    import_part(&client, &parts[0]).json(200);
    let repeated = client.host.rows().written - rows;
    assert!(repeated < 10, "{repeated} rows");
}
