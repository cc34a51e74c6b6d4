//! A store in a worker process: sends each operation to the main process and reads the answer.
//!
//! Owns the encoding of both. `gate.rs` has the other side.

use std::{io, sync::Arc};

use serde::de::DeserializeOwned;

use crate::{
    Error,
    op::{Answer, Op},
};

/// Sends a message to the main process and blocks until the answer is there.
pub type Transport = Arc<dyn Fn(&[u8]) -> io::Result<Vec<u8>> + Send + Sync>;

pub(crate) fn answer(transport: &Transport, op: &Op) -> Result<Answer, Error> {
    if op.is_feed() {
        return Err(Error::unsupported(
            "a worker process cannot subscribe or watch: do it in an async handler, in the main process",
        ));
    }
    let reply = transport(&encode(op)).map_err(|error| Error::unavailable(error.to_string()))?;
    decode::<Result<Answer, Error>>(&reply).unwrap_or_else(|| Err(Error::strange_answer()))
}

pub(crate) fn encode(message: &impl serde::Serialize) -> Vec<u8> {
    rmp_serde::to_vec(message).expect("an operation and an answer have only fields that MessagePack knows")
}

/// Returns the message, or nothing if the bytes are something else, or more.
pub(crate) fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Option<M> {
    let mut rest = bytes;
    let message = M::deserialize(&mut rmp_serde::Deserializer::new(&mut rest)).ok()?;
    rest.is_empty().then_some(message)
}
