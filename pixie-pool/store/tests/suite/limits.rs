//! Limits: at the limit it works, above it is a clear error.

use pixie_store::{Error, Store};

use crate::{Open, file, memory};

pub(crate) fn a_value_of_the_limit_is_taken_and_one_more_byte_is_refused(open: Open) {
    let store = open(Store::builder().value_bytes_max(1000));
    // Two bytes are the quotes.
    store.put("key", &"x".repeat(998)).wait().unwrap();
    let refused = Err(Error::TooLarge { key: "key".into(), limit: 1000 });
    assert_eq!(store.put("key", &"x".repeat(999)).wait(), refused);
    assert_eq!(store.topic("key").publish(&"x".repeat(999)).wait(), refused);
    assert!(matches!(store.put_if("key", None, &"x".repeat(999)).wait(), Err(Error::TooLarge { .. })));
    assert_eq!(store.get::<String>("key").wait().unwrap().map(|value| value.len()), Some(998));

    let store = open(Store::builder());
    store.put("key", &"x".repeat(256 * 1024 - 2)).wait().unwrap();
    assert!(matches!(store.put("key", &"x".repeat(256 * 1024 - 1)).wait(), Err(Error::TooLarge { .. })));
}

pub(crate) fn keys_have_a_limit_and_no_control_characters(open: Open) {
    let store = open(Store::builder());
    store.put(&"k".repeat(512), &1).wait().unwrap();
    store.namespace("n").put(&"k".repeat(510), &1).wait().unwrap();
    assert_eq!(store.get::<i64>(&"k".repeat(512)).wait(), Ok(Some(1)));
    let invalid = |result| matches!(result, Err(Error::InvalidKey { .. }));
    assert!(invalid(store.put(&"k".repeat(513), &1).wait()));
    assert!(invalid(store.namespace("n").put(&"k".repeat(511), &1).wait()));
    for key in ["", "a\nb", "a\0", "\u{7f}", ".hidden"] {
        assert!(invalid(store.put(key, &1).wait()), "{key:?}");
        assert!(invalid(store.topic(key).publish(&1).wait()), "{key:?}");
    }
}

pub(crate) fn lists_have_limits(open: Open) {
    let store = open(Store::builder());
    let value = "x".repeat(250 * 1024);
    for number in 0..70 {
        store.put(&format!("large/{number}"), &value).wait().unwrap();
    }
    assert_eq!(store.list::<String>("large/", 60).wait().unwrap().len(), 60);
    assert!(matches!(store.list::<String>("large/", 70).wait(), Err(Error::TooLarge { .. })));
}

#[test]
fn a_full_store_refuses_values_and_says_so() {
    for open in [memory as Open, file::fixture] {
        let store = open(Store::builder().bytes_max(10_000));
        let written = (0..100).take_while(|number| store.put(&number.to_string(), &"x".repeat(100)).wait().is_ok());
        let written = written.count();
        assert!((30..50).contains(&written), "{written}");
        assert_eq!(store.put("more", &"x".repeat(100)).wait(), Err(Error::Full { limit: Some(10_000) }));
        store.put("0", &"y".repeat(100)).wait().unwrap();
        store.delete("1").wait().unwrap();
        store.put("more", &"x".repeat(100)).wait().unwrap();
    }
}
