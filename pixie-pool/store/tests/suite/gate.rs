//! Worker processes: what they reach through a gate, and what they cannot do to it.

use std::sync::Arc;

use pixie_store::{Access, Error, Gate, Store};

use crate::Open;

/// Returns the store of a worker whose transport is a function call.
fn worker(gate: Gate) -> Store {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    Store::remote(Arc::new(move |message| Ok(runtime.block_on(gate.answer(message)))))
}

pub(crate) fn a_worker_reaches_what_it_was_granted_and_nothing_else(open: Open) {
    let store = open(Store::builder());
    store.put("elsewhere", &1).wait().unwrap();
    let shop = store.namespace("shop");
    let grants = [("progress/*", Access::ReadWrite), ("settings", Access::Read), ("prices/*", Access::Read)];
    let worker = worker(Gate::new(shop.clone(), grants));
    worker.put("progress/1", &10).wait().unwrap();
    assert_eq!(worker.namespace("progress").add("1", 5).wait(), Ok(15));
    assert_eq!(shop.get::<i64>("progress/1").wait(), Ok(Some(15)));
    assert_eq!(worker.list::<i64>("progress/", 5).wait(), Ok(vec![("progress/1".into(), 15)]));
    assert_eq!(worker.namespace("progress").list::<i64>("", 5).wait(), Ok(vec![("1".into(), 15)]));
    assert_eq!(worker.get::<i64>("settings").wait(), Ok(None));
    let version = worker.entry::<i64>("progress/1").wait().unwrap().unwrap().version;
    assert_eq!(worker.put_if("progress/1", Some(&version), &16).wait(), Ok(true));
    assert_eq!(worker.delete("progress/1").wait(), Ok(true));
    let denied = |error: Option<Error>| assert!(matches!(error, Some(Error::Denied { .. })), "{error:?}");
    for key in ["progress", "secret", "settings2", "elsewhere"] {
        denied(worker.get::<i64>(key).wait().err());
    }
    for key in ["settings", "prices/1", "secret"] {
        denied(worker.put(key, &1).wait().err());
        denied(worker.add(key, 1).wait().err());
        denied(worker.delete(key).wait().err());
        denied(worker.topic(key).publish(&1).wait().err());
    }
    for prefix in ["prog", "", "settings"] {
        denied(worker.list::<i64>(prefix, 5).wait().err());
    }
    assert!(matches!(worker.watch("progress/").wait(), Err(Error::Unsupported { .. })));
    assert!(matches!(worker.topic::<i64>("progress/1").subscribe().wait(), Err(Error::Unsupported { .. })));
    assert!(matches!(worker.put("progress/1", &"x".repeat(300_000)).wait(), Err(Error::TooLarge { .. })));
    worker.topic("progress/1").publish(&1).wait().unwrap();
}

#[test]
fn a_star_does_not_reach_keys_of_the_framework() {
    let store = Store::memory();
    store.reserved("session").put("id", &1).wait().unwrap();
    let everything = worker(Gate::new(store.clone(), [("*", Access::ReadWrite)]));
    everything.put("key", &1).wait().unwrap();
    assert!(matches!(everything.reserved("session").get::<i64>("id").wait(), Err(Error::Denied { .. })));
    assert_eq!(everything.list::<i64>("", 10).wait(), Ok(vec![("key".into(), 1)]));
    let sessions = worker(Gate::new(store, [(".session/*", Access::Read)]));
    assert_eq!(sessions.reserved("session").get::<i64>("id").wait(), Ok(Some(1)));
    assert!(matches!(sessions.get::<i64>("key").wait(), Err(Error::Denied { .. })));
}

pub(crate) fn hostile_bytes_are_answered_with_an_error(open: Open) {
    let store = open(Store::builder());
    store.put("secret", &1).wait().unwrap();
    let gate = Gate::new(store.store.clone(), [("own/*", Access::ReadWrite)]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    let recorded = Arc::new(std::sync::Mutex::new(Vec::new()));
    let recorder = recorded.clone();
    let honest = Store::remote(Arc::new(move |message| {
        recorder.lock().unwrap().push(message.to_vec());
        Err(std::io::ErrorKind::BrokenPipe.into())
    }));
    for key in ["own/1", "secret"] {
        drop((honest.get::<i64>(key).wait(), honest.put(key, &1).wait(), honest.add(key, 7).wait()));
        drop((honest.list::<i64>(key, 9).wait(), honest.delete(key).wait(), honest.topic(key).publish(&1).wait()));
        drop(honest.take(key, &pixie_store::Rate::new(5, std::time::Duration::from_secs(60))).wait());
    }
    seeds.append(&mut recorded.lock().unwrap());
    assert_eq!(seeds.len(), 14);
    // Every truncation, and every change of one byte to the extremes of MessagePack.
    for seed in &seeds {
        for end in 0..seed.len() {
            assert!(!runtime.block_on(gate.answer(&seed[..end])).is_empty());
        }
        runtime.block_on(gate.answer(&[seed.as_slice(), &[0]].concat()));
        for at in 0..seed.len() {
            for byte in [0x00, 0x7f, 0x80, 0xc0, 0xc6, 0xcf, 0xdb, 0xdd, 0xdf, 0xff] {
                let mut changed = seed.clone();
                changed[at] = byte;
                assert!(!runtime.block_on(gate.answer(&changed)).is_empty());
            }
        }
    }
    assert_eq!(store.get::<i64>("secret").wait(), Ok(Some(1)));
}
