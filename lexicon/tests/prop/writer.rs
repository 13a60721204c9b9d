//! `write_object` beside a general encoder, with right and wrong use.

use ipld_core::ipld::Ipld;
use nacre_lexicon::{BlobRef, EncodeError, ObjectWriter, ValueWriter, check, write_object};
use proptest::{collection::vec, prelude::*};

use crate::data::{Data, data, key, scalar};

fn write(data: &Data, value: ValueWriter<'_>) {
    match data {
        Data::Null => value.null(),
        Data::Bool(data) => value.bool(*data),
        Data::Integer(data) => value.integer(*data),
        Data::Text(data) => value.text(data),
        Data::Bytes(data) => value.bytes(data),
        Data::Link(data) => value.link(data),
        Data::Array(items) => {
            let mut array = value.array(items.len());
            items.iter().for_each(|item| write(item, array.item()));
        }
        Data::Map(entries) => match blob(entries) {
            Some(blob) => value.blob(&blob),
            None => write_entries(entries, &mut value.object(entries.len())),
        },
    }
}

fn write_entries(entries: &[(String, Data)], object: &mut ObjectWriter<'_>) {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(key, _)| (key.len(), key));
    for (key, value) in entries {
        write(value, object.key(key));
    }
}

fn blob(entries: &[(String, Data)]) -> Option<BlobRef> {
    let find = |name: &str| entries.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    match (find("$type")?, find("ref")?, find("mimeType")?, find("size")?) {
        (Data::Text(kind), Data::Link(cid), Data::Text(mime_type), Data::Integer(size))
            if kind == "blob" =>
        {
            let size = u64::try_from(*size).expect("a size is not negative");
            Some(BlobRef { cid: *cid, mime_type: mime_type.clone(), size })
        }
        _ => None,
    }
}

/// What a careless program does.
#[derive(Clone, Debug)]
enum Script {
    Scalar(Data),
    /// Announces another number of items than it writes, perhaps.
    Array(usize, Vec<Self>),
    /// Likewise; keys are in any order, and some have no value.
    Object(usize, Vec<(String, Option<Self>)>),
}

impl Script {
    fn run(&self, value: ValueWriter<'_>) {
        match self {
            Self::Scalar(data) => write(data, value),
            Self::Array(len, items) => {
                let mut array = value.array(*len);
                items.iter().for_each(|item| item.run(array.item()));
            }
            Self::Object(len, entries) => Self::run_entries(entries, &mut value.object(*len)),
        }
    }

    fn run_entries(entries: &[(String, Option<Self>)], object: &mut ObjectWriter<'_>) {
        for (key, value) in entries {
            let slot = object.key(key);
            if let Some(value) = value {
                value.run(slot);
            }
        }
    }

    /// Returns what the script writes, if there is nothing wrong with it.
    fn outcome(&self) -> Option<Ipld> {
        match self {
            Self::Scalar(data) => Some(data.to_ipld()),
            Self::Array(len, items) if *len == items.len() => {
                items.iter().map(Self::outcome).collect::<Option<_>>().map(Ipld::List)
            }
            Self::Object(len, entries) if *len == entries.len() => {
                let in_order = entries.is_sorted_by(|(a, _), (b, _)| (a.len(), a) < (b.len(), b));
                let entry = |(key, value): &(String, Option<Self>)| {
                    let value = value.as_ref()?.outcome()?;
                    let is_type = match &value {
                        Ipld::String(text) => !text.is_empty() && text != "blob",
                        _ => false,
                    };
                    let is_right = match key.as_str() {
                        "" | "$link" | "$bytes" => false,
                        "$type" => is_type,
                        _ => true,
                    };
                    is_right.then(|| (key.clone(), value))
                };
                let entries = entries.iter().map(entry).collect::<Option<_>>();
                entries.filter(|_| in_order).map(Ipld::Map)
            }
            _ => None,
        }
    }
}

/// A number that is right, most of the time.
fn announced(len: usize) -> impl Strategy<Value = usize> {
    prop_oneof![20 => Just(len), 1 => 0..len + 2]
}

fn script_key() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec!["", "$link", "$bytes", "$type"]).prop_map(str::to_owned);
    prop_oneof![30 => key(), 1 => odd]
}

fn script_object(value: impl Strategy<Value = Script>) -> impl Strategy<Value = Script> {
    let entry = (script_key(), prop_oneof![30 => Just(true), 1 => Just(false)], value)
        .prop_map(|(key, has_value, value)| (key, has_value.then_some(value)));
    (vec(entry, 0..6), prop_oneof![5 => Just(true), 1 => Just(false)]).prop_flat_map(
        |(mut entries, sorted)| {
            if sorted {
                entries.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
            }
            announced(entries.len()).prop_map(move |len| Script::Object(len, entries.clone()))
        },
    )
}

fn script() -> impl Strategy<Value = Script> {
    let odd = prop::sample::select(vec!["", "blob"]);
    let scalar = prop_oneof![
        10 => scalar().prop_map(Script::Scalar),
        1 => odd.prop_map(|text| Script::Scalar(Data::Text(text.to_owned()))),
    ];
    let value = scalar.prop_recursive(4, 16, 5, |inner| {
        let array = vec(inner.clone(), 0..5).prop_flat_map(|items| {
            announced(items.len()).prop_map(move |len| Script::Array(len, items.clone()))
        });
        prop_oneof![array, script_object(inner)]
    });
    script_object(value)
}

proptest! {
    #[test]
    fn written_data_is_canonical(data in data(), before in vec(any::<u8>(), 0..9)) {
        let Data::Map(entries) = &data else { panic!("the outermost value is an object") };
        let mut out = before.clone();
        write_object(&mut out, entries.len(), |object| write_entries(entries, object)).unwrap();
        let (kept, written) = out.split_at(before.len());
        prop_assert_eq!(kept, before);
        prop_assert_eq!(written, serde_ipld_dagcbor::to_vec(&data.to_ipld()).unwrap());
        prop_assert_eq!(check(written), Ok(()));
    }

    #[test]
    fn misuse_is_an_error_and_leaves_the_buffer_unchanged(
        script in script(),
        before in vec(any::<u8>(), 0..9),
    ) {
        let Script::Object(len, entries) = &script else { panic!("a script is an object") };
        let mut out = before.clone();
        let outcome = write_object(&mut out, *len, |object| Script::run_entries(entries, object));
        let (kept, written) = out.split_at(before.len());
        prop_assert_eq!(kept, before);
        match (outcome, script.outcome()) {
            (Ok(()), Some(ipld)) => {
                prop_assert_eq!(written, serde_ipld_dagcbor::to_vec(&ipld).unwrap());
                prop_assert_eq!(check(written), Ok(()));
            }
            (Err(EncodeError::Data(_) | EncodeError::Excess | EncodeError::Incomplete), None) => {
                prop_assert!(written.is_empty());
            }
            (outcome, expected) => prop_assert!(false, "{outcome:?} {expected:?}"),
        }
    }
}
