//! The fuzz target of the gate: a function of bytes that asserts what must be true for all bytes.
//!
//! Compiled only for tests and under `cargo fuzz`. The inputs that the fuzzer has found are stored in `tests/fuzz`,
//! and every `cargo test` replays them.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use crate::{
    Access, Error, Gate, Store,
    backend::{decode, encode},
    op::{Answer, Op},
};

/// Sends messages of a worker to a gate. Two bytes in front of each message are its length.
pub fn gate(mut bytes: &[u8]) {
    let store = Store::builder().bytes_max(20_000).value_bytes_max(1_000).open("memory").expect("it needs nothing");
    let kept = [store.clone(), store.namespace("read"), store.reserved("session")];
    for store in &kept {
        store.put("kept", &7).wait().expect("there is room");
    }
    let gate = Gate::new(store.clone(), [("own/*", Access::ReadWrite), ("read/*", Access::Read)]);
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (message, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        bytes = rest;
        let answer = match pin!(gate.answer(message)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("the memory answers at once"),
        };
        let answer: Result<Answer, Error> = decode(&answer).expect("an answer can be decoded");
        match decode::<Op>(message) {
            Some(op) => {
                let again = decode::<Op>(&encode(&op)).expect("an operation can be decoded again");
                assert_eq!(op, again);
                let is_granted = op.key.starts_with("own/") || (op.key.starts_with("read/") && op.is_read());
                assert!(is_granted || answer.is_err(), "{op:?} was answered with {answer:?}");
            }
            None => assert!(answer.is_err()),
        }
        store.backend().check();
    }
    for store in &kept {
        assert_eq!(store.get("kept").wait(), Ok(Some(7)));
    }
}

#[cfg(test)]
mod tests;
