//! Values: put, get, put_if, add, delete, list, expiry.

use std::{
    thread,
    time::{Duration, Instant},
};

use pixie_store::{Error, Store};

use crate::Open;

pub(crate) fn a_value_is_what_was_put(open: Open) {
    let store = open(Store::builder());
    let key = "a value with spaces, ü and /";
    assert_eq!(store.get::<String>(key).wait(), Ok(None));
    store.put(key, "first").wait().unwrap();
    store.put(key, "second").wait().unwrap();
    assert_eq!(store.get::<String>(key).wait().unwrap().as_deref(), Some("second"));
    assert!(matches!(store.get::<i64>(key).wait(), Err(Error::Unreadable { .. })));
    assert_eq!(store.delete(key).wait(), Ok(true));
    assert_eq!(store.delete(key).wait(), Ok(false));
    assert_eq!(store.get::<String>(key).wait(), Ok(None));
    let unwritable = std::collections::BTreeMap::from([(vec![1], 2)]);
    assert!(matches!(store.put(key, &unwritable).wait(), Err(Error::Unwritable { .. })));
}

pub(crate) fn a_number_is_its_text(open: Open) {
    let store = open(Store::builder());
    assert_eq!(store.add("visits", 5).wait(), Ok(5));
    assert_eq!(store.get::<i64>("visits").wait(), Ok(Some(5)));
    store.put("visits", &-7).wait().unwrap();
    assert_eq!(store.add("visits", -1).wait(), Ok(-8));
    for refused in ["\"1\"", "1.0", "true", "[]"] {
        let value: serde_json::Value = serde_json::from_str(refused).unwrap();
        store.put("other", &value).wait().unwrap();
        assert_eq!(store.add("other", 1).wait(), Err(Error::NotANumber { key: "other".into() }), "{refused}");
        assert_eq!(store.get::<serde_json::Value>("other").wait(), Ok(Some(value)));
    }
    store.put("most", &i64::MAX).wait().unwrap();
    assert_eq!(store.add("most", 1).wait(), Err(Error::Overflow { key: "most".into() }));
    assert_eq!(store.get::<i64>("most").wait(), Ok(Some(i64::MAX)));
}

pub(crate) fn one_of_many_writers_of_a_version_wins(open: Open) {
    let store = open(Store::builder());
    for round in 0..20 {
        let version = store.entry::<u32>("raced").wait().unwrap().map(|entry| entry.version);
        let wins: u32 = thread::scope(|scope| {
            let race = |number: u32| {
                let (store, version) = (&store.store, version.as_ref());
                scope.spawn(move || u32::from(store.put_if("raced", version, &(round * 10 + number)).wait().unwrap()))
            };
            let racers: Vec<_> = (0..8).map(race).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).sum()
        });
        assert_eq!(wins, 1);
    }
    let entry = store.entry::<u32>("raced").wait().unwrap().unwrap();
    store.delete("raced").wait().unwrap();
    assert_eq!(store.put_if("raced", Some(&entry.version), &1).wait(), Ok(false));
    assert_eq!(store.get::<u32>("raced").wait(), Ok(None));
}

pub(crate) fn lists_are_in_the_order_of_keys_and_leave_out_other_namespaces(open: Open) {
    let store = open(Store::builder());
    let orders = store.namespace("orders").namespace("2026");
    for (key, value) in [("b", 2), ("a", 1), ("c*", 3), ("c[d]", 4), ("c?", 5), ("c\\", 6)] {
        orders.put(key, &value).wait().unwrap();
    }
    store.namespace("orders2").put("a", &9).wait().unwrap();
    store.reserved("session").put("a", &9).wait().unwrap();
    let names = |found: Vec<(String, i64)>| found.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(names(orders.list("", 10).wait().unwrap()), ["a", "b", "c*", "c?", "c[d]", "c\\"]);
    assert_eq!(names(orders.list("c", 2).wait().unwrap()), ["c*", "c?"]);
    for exact in ["c*", "c?", "c[d]", "c\\"] {
        assert_eq!(names(orders.list(exact, 10).wait().unwrap()), [exact]);
    }
    assert_eq!(orders.list::<i64>("", 0).wait(), Ok(vec![]));
    assert_eq!(names(store.list("", 100).wait().unwrap()).len(), 7);
    assert_eq!(names(store.reserved("session").list("", 100).wait().unwrap()), ["a"]);
    for refused in [".session/a", ".", ""] {
        assert!(matches!(store.get::<i64>(refused).wait(), Err(Error::InvalidKey { .. })), "{refused}");
    }
    assert!(matches!(store.list::<i64>(".session", 9).wait(), Err(Error::InvalidKey { .. })));
    assert!(matches!(store.namespace(".session").get::<i64>("a").wait(), Err(Error::InvalidKey { .. })));
}

pub(crate) fn many_threads_add_exactly(open: Open) {
    let store = open(Store::builder());
    let (threads, times) = (500, 200);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..times {
                    store.add("sum", 1).wait().unwrap();
                }
            });
        }
    });
    assert_eq!(store.get::<i64>("sum").wait(), Ok(Some(threads * times)));
}

pub(crate) fn values_expire(open: Open) {
    let store = open(Store::builder());
    let (short, long) = (Duration::from_millis(100), Duration::from_secs(60));
    let start = Instant::now();
    store.put("short", &1).expires_in(short).wait().unwrap();
    assert_eq!(store.put_if("raced", None, &1).expires_in(short).wait(), Ok(true));
    store.add("counted", 1).expires_in(short).wait().unwrap();
    store.add("counted", 1).expires_in(long).wait().unwrap();
    store.put("long", &1).expires_in(long).wait().unwrap();
    store.put("renewed", &1).expires_in(short).wait().unwrap();
    store.put("renewed", &1).wait().unwrap();
    store.put("least", &1).expires_in(Duration::ZERO).wait().unwrap();
    store.put("most", &1).expires_in(Duration::MAX).wait().unwrap();
    for key in ["short", "counted", "raced", "least"] {
        while store.get::<i64>(key).wait().unwrap().is_some() {
            assert!(start.elapsed() < Duration::from_secs(5), "{key} expires");
            thread::yield_now();
        }
    }
    assert!(start.elapsed() >= short, "{:?}", start.elapsed());
    assert_eq!(store.put_if("short", None, &2).wait(), Ok(true));
    assert_eq!(store.add("counted", 1).wait(), Ok(1));
    assert_eq!(store.delete("raced").wait(), Ok(false));
    let left = store.list::<i64>("", 10).wait().unwrap();
    let left: Vec<_> = left.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(left, ["counted", "long", "most", "renewed", "short"]);
}

pub(crate) fn calls_work_in_async_code_and_block_inside_of_a_runtime(open: Open) {
    let store = open(Store::builder());
    for runtime in [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()] {
        let runtime = { runtime }.worker_threads(1).build().unwrap();
        runtime.block_on(async {
            store.put("a", &1).await.unwrap();
            store.put("a", &2).wait().unwrap();
            let calls: Vec<_> = (0..50).map(|_| tokio::spawn(store.add("a", 1).into_future())).collect();
            for call in calls {
                call.await.unwrap().unwrap();
            }
            assert_eq!(store.get::<i64>("a").wait(), Ok(Some(52)));
            // More than tokio lets a task do without a pause.
            for sum in 53..353 {
                assert_eq!(store.add("a", 1).wait(), Ok(sum));
            }
            assert!(store.list::<i64>("", 5).await.is_ok());
        });
    }
}
