//! serde_ipld_dagcbor, with a type that is made for the post: the fastest way that serde offers.

use serde::{Deserialize, Serialize};
use serde_ipld_dagcbor::{from_slice, to_vec};

use crate::measured::{Measured, case};
use crate::row::Row;
use crate::samples;

#[derive(Deserialize, Serialize)]
struct Post<'a> {
    text: &'a str,
    #[serde(rename = "$type")]
    kind: &'a str,
    #[serde(borrow)]
    langs: Vec<&'a str>,
    facets: Vec<Facet<'a>>,
    #[serde(rename = "createdAt")]
    created_at: &'a str,
}

#[derive(Deserialize, Serialize)]
struct Facet<'a> {
    index: Range,
    #[serde(borrow)]
    features: Vec<Feature<'a>>,
}

#[derive(Deserialize, Serialize)]
struct Range {
    #[serde(rename = "byteEnd")]
    byte_end: u64,
    #[serde(rename = "byteStart")]
    byte_start: u64,
}

#[derive(Deserialize, Serialize)]
struct Feature<'a> {
    uri: &'a str,
    #[serde(rename = "$type")]
    kind: &'a str,
}

pub fn case_of(row: Row) -> Option<Box<dyn Measured>> {
    let bytes = samples::Post::new().cbor;
    Some(match row {
        Row::RecordCheck => {
            let check = |bytes| from_slice::<Post<'static>>(bytes).ok();
            case(1000, move |_| bytes, check, |post| vec![u8::from(post.is_some())])
        }
        Row::RecordEncode => {
            let post: &'static Post<'static> =
                Box::leak(Box::new(from_slice(bytes).expect("a post")));
            case(1000, move |_| post, |post| to_vec(post).expect("a post"), |bytes| bytes)
        }
        _ => return None,
    })
}
