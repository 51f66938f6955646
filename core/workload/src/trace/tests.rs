//! Reading traces: what comes back, and what is said of lines that are none.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::io::{BufReader, Read};

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Trace {
    Trace::read(text.as_bytes()).expect("every line is a request")
}

fn complaint(text: &str) -> String {
    Trace::read(text.as_bytes()).expect_err("some line is none").to_string()
}

#[test]
fn keys_are_numbered_as_they_first_appear() {
    let trace = read("b\r\na\nb\n7");
    let keys: Vec<u32> = trace.requests().iter().map(|request| request.key).collect();
    assert_eq!(keys, [0, 1, 0, 2]);
    assert_eq!((trace.objects(), trace.footprint_bytes(), trace.equal_size()), (3, 3, Some(1)));
}

#[test]
fn an_object_counts_in_the_footprint_as_large_as_it_came() {
    let trace = read("x,10\ny,5\nx,30\n");
    assert_eq!((trace.objects(), trace.footprint_bytes()), (2, 15));
    assert_eq!((trace.requested_bytes(), trace.equal_size()), (45, None));
    assert_eq!(read("x,10\ny,10\n").equal_size(), Some(10));
}

#[test]
fn a_key_may_have_commas_of_its_own() {
    let trace = read("a,b,1\na,2\na,b,1\n");
    assert_eq!(trace.requests()[0], trace.requests()[2]);
    assert_eq!(trace.objects(), 2);
}

#[test]
fn nothing_is_a_trace_too() {
    assert_eq!((read("").requests().len(), read("").objects()), (0, 0));
}

#[test]
fn a_bad_line_is_named_with_its_number_and_its_fault() {
    let behind = "; expected key or key,size";
    for (text, said) in [
        ("a\n\nb\n", "line 2, \"\": there is no key"),
        ("a,1\n,5\n", "line 2, \",5\": there is no key"),
        ("a b\n", "line 1, \"a b\": the key has blanks or control characters"),
        ("a,1\nb\n", "line 2, \"b\": the lines before have sizes, this one hasn't"),
        ("a\nb,1\n", "line 2, \"b,1\": the lines before have no sizes, this one has"),
    ] {
        assert_eq!(complaint(text), format!("{said}{behind}"));
    }
    for size in ["", "x", "-1", "+1", "1.5", " 1", "4294967296", "1e3"] {
        let said = format!("a,1\nb,{size}\n");
        let fault = "what follows the last comma is no size in bytes below 4 GiB";
        assert_eq!(complaint(&said), format!("line 2, \"b,{size}\": {fault}{behind}"));
    }
}

#[test]
fn a_long_line_is_not_repeated_in_full() {
    let said = complaint(&format!("{},x", "k".repeat(1000)));
    assert!(said.len() < 200 && said.contains('…'), "{said}");
}

#[test]
fn a_source_that_fails_is_named_with_the_line() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let error = Trace::read(BufReader::new("a\nb\n".as_bytes().chain(Broken))).unwrap_err();
    assert_eq!(error.to_string(), "could not read line 3");
    let source = std::error::Error::source(&error).expect("it says why");
    assert_eq!(source.to_string(), "the disk is gone");
}

/// The first numbers of SplitMix64 from the seed 0, as its authors give them.
#[test]
fn the_hash_never_changes() {
    assert_eq!(hash(0), 0xe220_a839_7b1d_cdaf);
    assert_eq!(hash(1), 0x6e78_9e6a_a1b9_65f4);
    assert_eq!(hash(2), 0x06c4_5d18_8009_454f);
}

#[test]
fn neighbours_differ_in_half_their_bits() {
    let differing: u32 = (0..10_000).map(|key| (hash(key) ^ hash(key + 1)).count_ones()).sum();
    assert!((310_000..330_000).contains(&differing), "{differing}");
    let low: HashSet<u16> = (0..10_000).map(|key| hash(key) as u16).collect();
    // 9273 expected of 65536.
    assert!((9_100..9_450).contains(&low.len()), "{}", low.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read_back(
        requests in prop::collection::vec(("[a-f/%,.]{0,2}[a-f]", any::<u32>()), 0..200),
        has_sizes: bool,
        ending in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let mut text = String::new();
        for (key, size) in &requests {
            // Without sizes a comma would begin one.
            let key = if has_sizes { key.clone() } else { key.replace(',', ";") };
            match has_sizes {
                true => write!(text, "{key},{size}{ending}").unwrap(),
                false => write!(text, "{key}{ending}").unwrap(),
            }
        }
        let trace = read(&text);
        prop_assert_eq!(trace.requests().len(), requests.len());
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut footprint = 0;
        for ((key, size), request) in requests.iter().zip(trace.requests()) {
            let size = if has_sizes { *size } else { 1 };
            let next = numbers.len() as u32;
            let number = *numbers.entry(key).or_insert_with(|| {
                footprint += u64::from(size);
                next
            });
            prop_assert_eq!(*request, Request { key: number, size });
        }
        prop_assert_eq!(trace.objects() as usize, numbers.len());
        prop_assert_eq!(trace.footprint_bytes(), footprint);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        match Trace::read(&bytes[..]) {
            Ok(trace) => prop_assert_eq!(trace.requests().len(), bytes.lines().count()),
            Err(ReadError::Line { line, .. }) => prop_assert!(line as usize <= 201),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
