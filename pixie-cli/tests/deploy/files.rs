//! What is written, and what the programs that read it think of it.

use insta::assert_snapshot;

use crate::app::{deployed, shop};

const HOSTS: [&str; 4] = ["--hosts", "web=10.0.0.1,10.0.0.2:8080", "--hosts", "all=10.0.0.11,[fd00::12]:8001"];

#[test]
fn haproxy_gets_a_backend_for_each_role() {
    assert_snapshot!(deployed(&shop(), &[&["haproxy"], &HOSTS[..]].concat()));
}

#[test]
fn kubernetes() {
    assert_snapshot!(deployed(&shop(), &["kubernetes", "--domain", "shop.example"]));
}

#[test]
fn compose() {
    assert_snapshot!(deployed(&shop(), &["compose"]));
}

#[test]
fn systemd() {
    assert_snapshot!(deployed(&shop(), &["systemd", "--role", "web,reports", "--behind", "10.0.0.5"]));
}
