//! The rules on simulated time, with the table of the memory.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use super::*;
use crate::{Rate, backend::Trees};

const SECOND_US: u64 = 1_000_000;

struct Bench {
    room: Room<Trees>,
    now_us: u64,
    told: Vec<(String, ChangeKind)>,
}

impl Bench {
    fn new(bytes_max: u64) -> Bench {
        Bench { room: Room { bytes_max, ..Room::default() }, now_us: 1_800_000_000 * SECOND_US, told: Vec::new() }
    }

    fn run(&mut self, key: &str, verb: Verb) -> Result<Answer, Error> {
        let op = &Op { key: key.into(), verb };
        match op.is_read() {
            true => read(op, &self.room.table, self.now_us),
            false => apply(op, &mut self.room, self.now_us, &mut |key, kind| self.told.push((key.into(), kind))),
        }
    }

    fn put(&mut self, key: &str, bytes: usize, expires_ms: Option<u64>) -> Result<Answer, Error> {
        self.run(key, Verb::Put { value: vec![b'1'; bytes].into(), expires_ms })
    }

    fn has(&mut self, key: &str) -> bool {
        match self.run(key, Verb::Get).unwrap() {
            Answer::Value(value) => value.is_some(),
            other => panic!("{other:?}"),
        }
    }

    fn take(&mut self, key: &str) -> bool {
        let rate = Rate::new(1, std::time::Duration::from_secs(60));
        match self.run(key, Verb::Take { rate }).unwrap() {
            Answer::Allowance(allowance) => allowance.is_allowed,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_value_expires_at_its_millisecond_and_is_removed_by_a_later_write() {
    let mut bench = Bench::new(10_000);
    bench.put("short", 1, Some(100)).unwrap();
    bench.now_us += 99_999;
    assert!(bench.has("short"));
    bench.now_us += 1;
    assert!(!bench.has("short"));
    bench.told.clear();
    bench.put("other", 1, None).unwrap();
    assert_eq!(bench.told, [("short".into(), ChangeKind::Expired), ("other".into(), ChangeKind::Put)]);
    assert_eq!(bench.room.value_bytes, 5 + 1 + 200);
    bench.put("forever", 1, Some(u64::MAX)).unwrap();
    bench.now_us += 300 * 365 * 24 * 3600 * SECOND_US;
    assert!(bench.has("forever"));
}

#[test]
fn a_value_stays_for_its_whole_time_also_if_it_was_put_within_a_millisecond() {
    let mut bench = Bench::new(10_000);
    bench.now_us += 999;
    bench.put("short", 1, Some(100)).unwrap();
    bench.now_us += 99_999;
    assert!(bench.has("short"));
    bench.now_us += 2;
    assert!(!bench.has("short"));
}

#[test]
fn a_full_store_refuses_growth_only() {
    let mut bench = Bench::new(1_000);
    bench.put("a", 500, None).unwrap();
    let full = Error::Full { limit: Some(1_000) };
    assert_eq!(bench.put("b", 500, None).unwrap_err(), full);
    assert_eq!(bench.put("a", 800, None).unwrap_err(), full);
    bench.put("a", 799, None).unwrap();
    bench.room.bytes_max = 500;
    bench.put("a", 799, None).unwrap();
    bench.room.bytes_max = 1_000;
    bench.run("a", Verb::Delete).unwrap();
    bench.put("b", 300, None).unwrap();
    bench.room.check();
}

#[test]
fn values_and_new_limits_take_the_room_of_limits_that_expire_first() {
    let mut bench = Bench::new(20_000);
    for number in 0..1_000 {
        assert!(bench.take(&format!(".limit/{number}")));
        bench.now_us += 1_000;
    }
    bench.room.check();
    assert!(bench.room.limit_bytes <= 20_000);
    assert!(!bench.has(".limit/0") && bench.has(".limit/999"));
    assert!(!bench.take(".limit/999"), "the newest limits still count");
    for number in 0..10 {
        bench.put(&format!("value{number}"), 1_790, None).unwrap();
    }
    bench.room.check();
    assert!(bench.room.limit_bytes <= 1_250, "a sixteenth is left to limits");
    for number in 0..10 {
        assert!(bench.take(&format!(".limit/new{number}")), "limits work in a full store");
    }
    assert!(bench.room.limit_bytes <= 1_250);
    bench.room.check();
}

#[test]
fn numbers_are_those_of_redis() {
    let cases: [(&str, Option<i64>); 10] = [
        ("0", Some(0)),
        ("-7", Some(-7)),
        ("9223372036854775807", Some(i64::MAX)),
        ("9223372036854775808", None),
        ("+1", None),
        ("01", None),
        ("-0", None),
        ("1.0", None),
        (" 1", None),
        ("\"1\"", None),
    ];
    for (text, expected) in cases {
        assert_eq!(number("key", text.as_bytes()).ok(), expected, "{text}");
    }
}
