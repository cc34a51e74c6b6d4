//! Topics and watches.

use std::time::Duration;

use pixie_store::{ChangeKind, Error, Store};
use tokio::time::timeout;

use crate::Open;

/// Longest time that a test waits for a message.
const LONG: Duration = Duration::from_secs(10);

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { timeout(6 * LONG, test).await.unwrap() });
}

pub(crate) fn messages_reach_all_subscribers_in_their_order(open: Open) {
    let store = open(Store::builder());
    run(async {
        let topic = store.namespace("jobs").topic::<String>("7");
        topic.publish(&"too early".into()).await.unwrap();
        let mut first = topic.subscribe().await.unwrap();
        let mut second = store.topic::<String>("jobs/7").subscribe().await.unwrap();
        store.topic::<String>("jobs/8").publish(&"other".into()).await.unwrap();
        for number in 0..60 {
            topic.publish(&number.to_string()).await.unwrap();
        }
        for subscription in [&mut first, &mut second] {
            for number in 0..60 {
                assert_eq!(timeout(LONG, subscription.next()).await.unwrap(), Ok(number.to_string()));
            }
        }
        drop(first);
        topic.publish(&"last".into()).await.unwrap();
        assert_eq!(timeout(LONG, second.next()).await.unwrap().as_deref(), Ok("last"));
        let mut numbers = store.topic::<i64>("jobs/7").subscribe().await.unwrap();
        topic.publish(&"not a number".into()).await.unwrap();
        store.topic::<i64>("jobs/7").publish(&5).await.unwrap();
        assert!(matches!(timeout(LONG, numbers.next()).await.unwrap(), Err(Error::Unreadable { .. })));
        assert_eq!(timeout(LONG, numbers.next()).await.unwrap(), Ok(5));
    });
}

pub(crate) fn a_slow_subscriber_learns_how_much_it_lost(open: Open) {
    let store = open(Store::builder());
    run(async {
        let topic = store.topic::<u64>("numbers");
        let mut slow = topic.subscribe().await.unwrap();
        let mut quick = topic.subscribe().await.unwrap();
        for number in 0..200 {
            topic.publish(&number).await.unwrap();
            assert_eq!(timeout(LONG, quick.next()).await.unwrap(), Ok(number));
        }
        assert_eq!(timeout(LONG, slow.next()).await.unwrap(), Err(Error::Lagged { missed: Some(136) }));
        for number in 136..200 {
            assert_eq!(timeout(LONG, slow.next()).await.unwrap(), Ok(number));
        }
    });
}

pub(crate) fn a_watch_reports_the_changes_of_its_keys(open: Open) {
    let store = open(Store::builder());
    run(async {
        let cart = store.namespace("cart");
        let mut watch = cart.watch("a").await.unwrap();
        let mut all = store.watch("").await.unwrap();
        store.reserved("session").put("a", &1).await.unwrap();
        store.put("a", &1).await.unwrap();
        cart.put("b", &1).await.unwrap();
        cart.put("ada", &1).await.unwrap();
        cart.add("a", 1).await.unwrap();
        assert!(!cart.put_if("ada", None, &2).await.unwrap());
        cart.delete("ada").await.unwrap();
        cart.delete("ada").await.unwrap();
        cart.put("a", &1).expires_in(Duration::from_millis(20)).await.unwrap();
        let expected =
            [("ada", ChangeKind::Put), ("a", ChangeKind::Put), ("ada", ChangeKind::Deleted), ("a", ChangeKind::Put)];
        for (key, kind) in expected {
            let change = timeout(LONG, watch.next()).await.unwrap().unwrap();
            assert_eq!((change.key.as_str(), change.kind), (key, kind));
        }
        let expired = async {
            while timeout(Duration::from_millis(10), watch.next()).await.is_err() {
                // A write or a read lets the store remove what has expired.
                store.put("other", &1).await.unwrap();
                cart.get::<i64>("a").await.unwrap();
            }
        };
        timeout(LONG, expired).await.unwrap();
        let first = timeout(LONG, all.next()).await.unwrap().unwrap();
        assert_eq!((first.key.as_str(), first.kind), ("a", ChangeKind::Put), "keys of the framework are not seen");
    });
}
