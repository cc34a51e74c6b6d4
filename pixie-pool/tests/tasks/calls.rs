//! Successful calls: arguments and outputs, and that each caller gets its own reply.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use pixie_pool::{Config, Pool};

use crate::{
    Test,
    work::{
        Dimensions, Filter, Order, checked_width, doubling, doubling::doubling, echo, factorial, join, more_time,
        nothing, reversed, time_left, worker_pid,
    },
};

pub(crate) const TESTS: &[Test] = &[
    ("nested_types_come_back_as_they_went", || Box::pin(nested_types())),
    ("several_arguments_or_none_are_a_tuple", || Box::pin(several_arguments())),
    ("ten_megabytes_travel_both_ways", || Box::pin(large_values())),
    ("a_task_can_be_called_directly", || Box::pin(direct_calls())),
    ("a_task_runs_in_a_process_of_its_own", || Box::pin(own_process())),
    ("a_thousand_concurrent_calls_each_get_their_own_answer", || Box::pin(concurrent_calls())),
    ("a_task_knows_its_own_deadline", || Box::pin(deadline_is_seen())),
    ("a_task_that_asks_for_more_time_gets_what_the_pool_allows", || Box::pin(extensions())),
    ("a_call_outlives_its_arguments_and_its_pool_handle", || Box::pin(call_borrows_nothing())),
];

pub(crate) fn config(size: usize) -> Config {
    Pool::named("tasks").size(size).spares(0)
}

pub(crate) async fn pool(size: usize) -> Pool {
    config(size).start_tasks().await.expect("the pool starts")
}

pub(crate) fn order(id: u64, filter: Filter) -> Order {
    let size = Dimensions { width: 30, height: None };
    Order { id, size, filter, labels: Vec::new(), pixels: vec![0, 127, 128, 255] }
}

async fn nested_types() {
    let pool = pool(1).await;
    let weights = BTreeMap::from([(-1, 0.5), (1, f64::INFINITY)]);
    for order in [
        order(u64::MAX, Filter::Named("blur".to_owned())),
        Order { labels: vec![String::new(), "ü".to_owned()], ..order(0, Filter::Weights { weights }) },
    ] {
        assert_eq!(pool.call(echo, &order).await.unwrap(), order);
        assert_eq!(pool.call(checked_width, &order).await.unwrap(), 30);
    }
    pool.stop(Duration::ZERO).await;
}

async fn several_arguments() {
    let pool = pool(1).await;
    let parts = vec!["a".to_owned(), "b".to_owned()];
    let around = ("(".to_owned(), ")".to_owned());
    assert_eq!(pool.call(join, &(parts, '-', around)).await.unwrap(), "(-a-b-)");
    pool.call(nothing, &()).await.unwrap();
    pool.stop(Duration::ZERO).await;
}

async fn large_values() {
    let pool = pool(1).await;
    let forth: Bytes = (0..10 * 1024 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let back = pool.call(reversed, &forth).await.unwrap();
    assert!(back.iter().eq(forth.iter().rev()));
    let order = Order { pixels: forth.to_vec(), ..order(1, Filter::Named("none".to_owned())) };
    assert!(pool.call(echo, &order).await.unwrap() == order);
    pool.stop(Duration::ZERO).await;
}

async fn direct_calls() {
    assert_eq!(join(Vec::new(), ' ', ("a".to_owned(), "b".to_owned())), "a b");
    assert_eq!(doubling::doubling(21), 42);
    assert_eq!([1, 2].map(*doubling), [2, 4]);
    let wide = Order { size: Dimensions { width: 101, height: None }, ..order(1, Filter::Named(String::new())) };
    assert_eq!(checked_width(wide).unwrap_err().to_string(), "101 pixels are too wide");
    assert_eq!(factorial(5), 120);
    assert_eq!(time_left(), None);
    assert!(!pixie_pool::is_canceled());
}

async fn own_process() {
    let pool = pool(1).await;
    let pid = pool.call(worker_pid, &()).await.unwrap();
    assert_ne!(pid, std::process::id());
    assert_eq!(pid, pool.snapshot().workers[0].pid.unwrap());
    assert_eq!(worker_pid(), std::process::id());
    pool.stop(Duration::ZERO).await;
}

async fn concurrent_calls() {
    let pool = config(2).start_tasks().await.unwrap();
    let calls: Vec<_> = (0..1000_u64)
        .map(|number| {
            let pool = pool.clone();
            tokio::spawn(async move {
                match number % 10 {
                    0 => {
                        let order =
                            Order { pixels: vec![number as u8; 10_000], ..order(number, Filter::Named("x".into())) };
                        assert_eq!(pool.call(echo, &order).await.unwrap(), order);
                    }
                    1..5 => assert_eq!(pool.call(doubling, &number).await.unwrap(), number * 2),
                    _ => {
                        let own = Bytes::from(number.to_le_bytes().to_vec());
                        assert_eq!(pool.call(reversed, &own).await.unwrap()[..], number.to_be_bytes());
                    }
                }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    pool.stop(Duration::ZERO).await;
}

async fn deadline_is_seen() {
    let pool = pool(1).await;
    let left = pool.call(time_left, &()).await.unwrap().unwrap();
    assert!(left > Duration::from_secs(3000) && left <= Duration::from_secs(3600), "{left:?}");
    pool.stop(Duration::ZERO).await;
}

async fn extensions() {
    let pool = config(1).extension(Duration::from_secs(600)).start_tasks().await.unwrap();
    let (granted, left) = pool.call(more_time, &Duration::from_secs(3600)).await.unwrap();
    assert_eq!(granted, Duration::from_secs(600));
    assert!(left.unwrap() > Duration::from_secs(3600), "{left:?}");
    pool.stop(Duration::ZERO).await;
    assert_eq!(pixie_pool::extend(Duration::from_secs(1)), Duration::ZERO);
}

async fn call_borrows_nothing() {
    let pool = pool(1).await;
    let call = {
        let (pool, number) = (pool.clone(), 4);
        pool.call(doubling, &number)
    };
    assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), 8);
    pool.stop(Duration::ZERO).await;
}
