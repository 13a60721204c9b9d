//! Each type against its grammar as the specifications print it, and against naive twins.

use core::cell::RefCell;
use std::collections::{HashMap, HashSet};

use nacre_syntax::{
    AtIdentifier, AtUri, CidString, Datetime, Did, Handle, Language, Nsid, RecordKey, RepoPath,
    Tid, TidClock, Uri,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::string::string_regex;
use regex::Regex;

const DID: &str = "did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]";
const HANDLE: &str = "([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?[.])+\
                      [a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
const NSID: &str = "[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\
                    ([.][a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+\
                    ([.][a-zA-Z]([a-zA-Z0-9]{0,62})?)";
const RECORD_KEY: &str = "[a-zA-Z0-9._:~-]{1,512}";
const TID: &str = "[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}";
// RFC 5646, section 2.1, with the primary language as lexicons have it.
const LANGUAGE: &str = "[a-z]{2,3}(-[a-zA-Z]{3}){0,3}(-[a-zA-Z]{4})?(-([a-zA-Z]{2}|[0-9]{3}))?\
                        (-([a-zA-Z0-9]{5,8}|[0-9][a-zA-Z0-9]{3}))*\
                        (-[0-9a-wyzA-WYZ](-[a-zA-Z0-9]{2,8})+)*\
                        (-[xX](-[a-zA-Z0-9]{1,8})+)?\
                        |[xX](-[a-zA-Z0-9]{1,8})+";
const DATETIME: &str = "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\
                        (\\.[0-9]{1,20})?(Z|[+-][0-2][0-9]:[0-5][0-9])";

/// Texts of a grammar, most of them damaged in one place.
fn near(grammar: &str) -> impl Strategy<Value = String> {
    let valid = string_regex(grammar).expect("the grammar is a regular expression");
    let character = select("aZx09-._:%/~#é \n".chars().collect::<Vec<_>>());
    (valid, any::<Index>(), character, 0..4_u8).prop_map(|(text, index, character, damage)| {
        let mut text: Vec<char> = text.chars().collect();
        let index = index.index(text.len());
        match damage {
            0 => {}
            1 => text[index] = character,
            2 => text.insert(index, character),
            _ => drop(text.remove(index)),
        }
        text.into_iter().collect()
    })
}

fn matches(grammar: &'static str, text: &str) -> bool {
    thread_local!(static COMPILED: RefCell<HashMap<&'static str, Regex>> = RefCell::default());
    COMPILED.with_borrow_mut(|compiled| {
        let compile = || {
            Regex::new(&format!("\\A(?:{grammar})\\z"))
                .expect("the grammar is a regular expression")
        };
        compiled.entry(grammar).or_insert_with(compile).is_match(text)
    })
}

/// Finds a repeated variant or singleton the slow way.
fn repeats(language: &str) -> bool {
    let lower = language.to_lowercase();
    let lower = lower.split("-x-").next().filter(|text| !text.starts_with("x-"));
    let mut seen = HashSet::new();
    let mut in_extension = false;
    lower.unwrap_or_default().split('-').skip(1).any(|subtag| {
        in_extension |= subtag.len() == 1;
        let is_variant = subtag.len() >= 5
            || subtag.len() == 4 && subtag.starts_with(|first: char| first.is_ascii_digit());
        let counts = if in_extension { subtag.len() == 1 } else { is_variant };
        counts && !seen.insert(subtag)
    })
}

/// Steps through the calendar one day at a time.
fn days_from(year: u32) -> impl Iterator<Item = (u32, u32, u32)> {
    let is_leap = |year: u32| match (year % 4, year % 100, year % 400) {
        (_, _, 0) => true,
        (_, 0, _) => false,
        (rest, ..) => rest == 0,
    };
    core::iter::successors(Some((year, 1, 1)), move |&(year, month, day)| {
        let february = if is_leap(year) { 29 } else { 28 };
        let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let last = lengths[usize::try_from(month - 1).expect("a month fits")];
        Some(match (month, day) {
            (12, 31) => (year + 1, 1, 1),
            (_, day) if day == last => (year, month + 1, 1),
            _ => (year, month, day + 1),
        })
    })
}

proptest! {
    #[test]
    fn dids_are_those_of_the_grammar(text in near(DID)) {
        prop_assert_eq!(Did::parse(text.as_str()).is_ok(), matches(DID, &text));
    }

    #[test]
    fn handles_are_those_of_the_grammar(text in near(HANDLE)) {
        let expected = matches(HANDLE, &text) && text.len() <= Handle::MAX_BYTES;
        prop_assert_eq!(Handle::parse(text.as_str()).is_ok(), expected);
    }

    #[test]
    fn nsids_are_those_of_the_grammar(text in near(NSID)) {
        let expected = matches(NSID, &text) && text.len() <= Nsid::MAX_BYTES;
        prop_assert_eq!(Nsid::parse(text.as_str()).is_ok(), expected);
    }

    #[test]
    fn record_keys_are_those_of_the_grammar(text in near(RECORD_KEY)) {
        let expected = matches(RECORD_KEY, &text) && text != "." && text != "..";
        prop_assert_eq!(RecordKey::parse(text.as_str()).is_ok(), expected);
    }

    #[test]
    fn languages_are_those_of_the_grammar(text in near(LANGUAGE)) {
        let expected =
            matches(LANGUAGE, &text) && !repeats(&text) && text.len() <= Language::MAX_BYTES;
        prop_assert_eq!(Language::parse(text.as_str()).is_ok(), expected);
    }

    #[test]
    fn languages_of_few_subtags_repeat_as_the_twin_says(
        subtags in prop::collection::vec(
            select(vec!["a", "b", "foo", "1901", "ROZAJ", "rozaj"]),
            0..7,
        ),
    ) {
        let text = ["en"].into_iter().chain(subtags).collect::<Vec<_>>().join("-");
        let expected = matches(LANGUAGE, &text) && !repeats(&text);
        prop_assert_eq!(Language::parse(text.as_str()).is_ok(), expected);
    }

    #[test]
    fn tids_are_those_of_the_grammar(text in near(TID)) {
        prop_assert_eq!(Tid::parse(&text).is_ok(), matches(TID, &text));
    }

    #[test]
    fn datetimes_are_within_the_grammar(text in near(DATETIME)) {
        if Datetime::parse(text.as_str()).is_ok() {
            prop_assert!(matches(DATETIME, &text) || text.len() > 40, "{}", text);
        }
    }

    #[test]
    fn arbitrary_text_never_panics_and_what_parses_prints_itself(
        text in prop_oneof![
            any::<String>(),
            "[ -~]{0,80}",
            near("at://(did:plc:[a-z2-7]{24}|[a-z]{1,9}\\.test)(/a\\.b\\.c(/[a-z~:.]{1,9})?)?"),
            near(DATETIME),
            near(LANGUAGE),
            near("[bzmkfuv97][a-z0-9+/]{8,20}"),
        ],
    ) {
        macro_rules! check {
            ($($name:ident)*) => {$(
                if let Ok(parsed) = $name::parse(text.as_str()) {
                    prop_assert_eq!(&parsed.to_string(), &text);
                    prop_assert_eq!(text.parse::<$name>(), Ok(parsed.to_owned()));
                    prop_assert!(text.len() <= $name::MAX_BYTES);
                }
            )*};
        }
        check!(AtIdentifier AtUri CidString Datetime Did Handle Language Nsid RecordKey RepoPath);
        check!(Uri);
        if let Ok(tid) = Tid::parse(&text) {
            prop_assert_eq!(tid.to_string(), text);
        }
    }

    #[test]
    fn bytes_are_of_a_grammar_if_and_only_if_they_are_text_that_is(
        text in prop_oneof![
            near("[a-z]{2,4}(\\.[a-z0-9-]{1,20}){1,3}"),
            near("(at://)?did:[a-z]{3}:[a-z2-7]{1,40}(/a\\.b\\.c(/[a-z~:.]{1,40})?)?"),
            near(DATETIME),
            near(LANGUAGE),
            near("[bzmkfuv97][a-z0-9+/]{8,40}"),
            near("[a-z]{1,5}:[a-zé ]{1,40}"),
        ],
        damage in prop::option::of((any::<Index>(), any::<u8>())),
    ) {
        let mut bytes = text.into_bytes();
        if let Some((at, byte)) = damage.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        macro_rules! check {
            ($($name:ident)*) => {$(
                let expected = str::from_utf8(&bytes).is_ok_and(|text| $name::parse(text).is_ok());
                prop_assert_eq!($name::check(&bytes).is_ok(), expected, "{:x?}", bytes);
            )*};
        }
        check!(AtIdentifier AtUri CidString Datetime Did Handle Language Nsid RecordKey RepoPath);
        check!(Uri);
    }

    #[test]
    fn the_parts_of_an_at_uri_are_valid_and_make_it_up(
        text in "at://did:plc:[a-z2-7]{24}/[a-z]{1,9}\\.[a-z]{1,9}\\.[a-zA-Z]{1,9}/[a-z~:]{1,9}",
    ) {
        let uri = AtUri::parse(text.as_str()).unwrap();
        let (collection, rkey) = (uri.collection().unwrap(), uri.rkey().unwrap());
        prop_assert!(Nsid::parse(collection.as_str()).is_ok());
        prop_assert!(RecordKey::parse(rkey.as_str()).is_ok());
        let authority = uri.authority();
        let did = Did::parse(authority.as_str()).unwrap();
        prop_assert_eq!(AtUri::from_parts(&did, &collection, &rkey), uri);
        let path = RepoPath::from_parts(&collection, &rkey);
        prop_assert_eq!(AtUri::from_path(&did, &path), uri);
    }

    #[test]
    fn tids_order_as_numbers_and_as_text(
        a in (0..=Tid::MAX_MICROS, 0..=Tid::MAX_CLOCK_ID),
        b in (0..=Tid::MAX_MICROS, 0..=Tid::MAX_CLOCK_ID),
    ) {
        let (tid_a, tid_b) = (Tid::from_micros(a.0, a.1), Tid::from_micros(b.0, b.1));
        prop_assert_eq!(tid_a.cmp(&tid_b), a.cmp(&b));
        prop_assert_eq!(tid_a.to_ascii().cmp(&tid_b.to_ascii()), a.cmp(&b));
        prop_assert_eq!((tid_a.micros(), tid_a.clock_id()), a);
        prop_assert_eq!(Tid::parse(&tid_a.to_string()), Ok(tid_a));
    }

    #[test]
    fn a_tid_clock_strictly_increases_whatever_the_clock_does(
        last in prop::option::of((0..TidClock::END_MICROS, any::<u16>())),
        clock_id in any::<u16>(),
        times in prop::collection::vec(
            prop_oneof![any::<u64>(), 0..5_u64, Just(TidClock::END_MICROS - 1)], 1..50),
    ) {
        let last = last.map(|(micros, id)| Tid::from_micros(micros, id));
        let mut clock = last.map_or_else(
            || TidClock::new(clock_id),
            |last| TidClock::resuming_after(last, clock_id),
        );
        let next = times.iter().map(|&time| clock.next(time));
        let tids: Vec<Tid> = last.into_iter().chain(next).collect();
        prop_assert!(tids.is_sorted_by(|a, b| a < b));
        prop_assert!(tids.iter().skip(1).all(|tid| tid.clock_id() == clock_id & Tid::MAX_CLOCK_ID));
    }

    #[test]
    fn a_moment_written_and_read_is_the_same(millis in 0..=253_402_300_799_999_u64) {
        let written = Datetime::from_unix_millis(millis);
        prop_assert_eq!(written.as_str().len(), 24);
        prop_assert_eq!(Datetime::parse(written.as_str()), Ok(written.as_deref()));
        prop_assert_eq!(u64::try_from(written.unix_millis()), Ok(millis));
    }

    #[test]
    fn later_moments_are_later_texts(a in 0..=253_402_300_799_999_u64, b in any::<u64>()) {
        let (a, b) = (a.min(b), a.max(b));
        prop_assert!(Datetime::from_unix_millis(a) <= Datetime::from_unix_millis(b));
    }
}

#[test]
fn every_day_of_four_centuries_is_where_counting_puts_it() {
    let mut millis = 0;
    for (year, month, day) in days_from(1970).take_while(|&(year, ..)| year < 2371) {
        let text = format!("{year:04}-{month:02}-{day:02}T00:00:00.000Z");
        assert_eq!(Datetime::from_unix_millis(millis), text.as_str());
        assert_eq!(
            u64::try_from(Datetime::parse(text.as_str()).unwrap().unix_millis()),
            Ok(millis)
        );
        millis += 86_400_000;
    }
}

#[test]
fn a_date_is_valid_if_and_only_if_the_calendar_has_it() {
    let valid: HashSet<_> = days_from(0).take_while(|&(year, ..)| year < 401).collect();
    for year in 0..401 {
        for (month, day) in
            (0..14).flat_map(|month| [0, 1, 28, 29, 30, 31, 32].map(|day| (month, day)))
        {
            let text = format!("{year:04}-{month:02}-{day:02}T12:00:00Z");
            let expected = valid.contains(&(year, month, day));
            assert_eq!(Datetime::parse(text.as_str()).is_ok(), expected, "{text}");
        }
    }
}
