//! Tables of invented tasks.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use super::{Entry, Table};

fn entry(name: &'static str, line: u32) -> &'static Entry {
    Box::leak(Box::new(Entry {
        name,
        signature: "()",
        file: "src/main.rs",
        line,
        deadline: None,
        is_idempotent: false,
        run: |_| Ok(Vec::new()),
    }))
}

#[test]
fn a_name_finds_its_task_and_no_other() {
    let table = Table::new(vec![entry("app::b", 2), entry("app::a", 1), entry("app::c", 3)]).unwrap();
    assert_eq!(table.find(b"app::a").unwrap().line, 1);
    assert_eq!(table.find(b"app::c").unwrap().line, 3);
    assert!(table.find(b"app::").is_none() && table.find(b"app::aa").is_none());
}

#[test]
fn two_tasks_of_one_name_are_refused_with_both_places() {
    let message = Table::new(vec![entry("app::a", 7), entry("app::b", 2), entry("app::a", 1)]).unwrap_err();
    assert!(message.contains("`app::a`: at src/main.rs:1 and at src/main.rs:7"), "{message}");
}

#[test]
fn the_fingerprint_follows_the_tasks_and_not_their_order() {
    let hash = |entries| Table::new(entries).unwrap().hash;
    let (a, b) = (entry("app::a", 1), entry("app::b", 2));
    assert_eq!(hash(vec![a, b]), hash(vec![b, a]));
    assert_ne!(hash(vec![a, b]), hash(vec![a]));
    assert_ne!(hash(vec![a, b]), hash(vec![a, entry("app::b", 3)]));
}
