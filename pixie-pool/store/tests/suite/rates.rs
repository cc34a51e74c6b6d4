//! Rate limits.

use std::{
    thread,
    time::{Duration, Instant},
};

use pixie_store::{Rate, Store};

use crate::Open;

pub(crate) fn a_bucket_allows_exactly_its_burst_to_many_threads(open: Open) {
    let store = open(Store::builder());
    let rate = Rate::new(100, Duration::from_secs(3600));
    let allowed: u32 = thread::scope(|scope| {
        let count = || (0..50).map(|_| u32::from(store.take("ada", &rate).wait().unwrap().is_allowed)).sum::<u32>();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // A new use comes back every 36 seconds.
    assert!((100..103).contains(&allowed), "{allowed}");
    let refused = store.take("ada", &rate).wait().unwrap();
    assert!(!refused.is_allowed);
    assert_eq!(refused.remaining, 0);
    assert!(refused.retry_after <= Duration::from_secs(36) && refused.reset_after > Duration::from_secs(3500));
    let other = store.take("bob", &rate).wait().unwrap();
    assert_eq!((other.is_allowed, other.remaining, other.retry_after), (true, 99, Duration::ZERO));
    assert!(other.reset_after.abs_diff(Duration::from_secs(36)) < Duration::from_millis(10));
}

pub(crate) fn a_bucket_refills(open: Open) {
    let store = open(Store::builder());
    let rate = Rate::new(1, Duration::from_millis(200)).burst(2);
    let start = Instant::now();
    let allowed = (0..).filter(|_| store.take("ada", &rate).wait().unwrap().is_allowed).take(5).count();
    assert_eq!(allowed, 5);
    let took = start.elapsed();
    assert!(took > Duration::from_millis(595) && took < Duration::from_secs(5), "{took:?}");
    let hour = Rate::new(1, Duration::from_secs(3600)).burst(u32::MAX);
    assert!(store.take("hour", &hour).wait().unwrap().is_allowed, "an extreme rate is valid");
}
