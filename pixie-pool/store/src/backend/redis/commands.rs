//! An `Op` as a command of Redis, and the reply as an `Answer`.

use std::collections::BTreeSet;

use bytes::Bytes;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value, aio::MultiplexedConnection};

use super::{notifications::escaped, scripts};
use crate::{
    Error, Rate,
    limits::{EXPIRY_MS_MAX, LIST_MAX, check_list, shortened},
    op::{Answer, Op, Verb},
};

/// Keys that the server looks at in one step of a scan. Bounds how long other clients wait.
const SCAN_COUNT: usize = 500;

/// Keys whose values are read in one step of a list.
const READ_COUNT: usize = 64;

/// Returns the command of an operation, except for lists, subscriptions and watches.
pub(crate) fn command(prefix: &str, op: &Op) -> Cmd {
    let key = [prefix, &op.key].concat();
    match &op.verb {
        Verb::Put { value, expires_ms, .. } => {
            let mut command = simple("SET", &key);
            command.arg(&value[..]);
            expiry(*expires_ms).map(|left_ms| command.arg("PX").arg(left_ms));
            command
        }
        Verb::PutIf { version: None, value, expires_ms, .. } => {
            let mut command = simple("SET", &key);
            command.arg(&value[..]).arg("NX");
            expiry(*expires_ms).map(|left_ms| command.arg("PX").arg(left_ms));
            command
        }
        Verb::PutIf { version: Some(version), value, expires_ms, .. } => {
            let mut command = script(scripts::PUT_IF, &key);
            command.arg(&version[..]).arg(&value[..]);
            expiry(*expires_ms).map(|left_ms| command.arg(left_ms));
            command
        }
        Verb::Add { by, expires_ms, .. } => match expiry(*expires_ms) {
            Some(left_ms) => script(scripts::ADD, &key).arg(*by).arg(left_ms).take(),
            None => simple("INCRBY", &key).arg(*by).take(),
        },
        Verb::Delete => simple("DEL", &key),
        Verb::Take { rate } => {
            let Rate { interval_us, burst } = rate.checked();
            script(scripts::TAKE, &key).arg(interval_us).arg(burst).take()
        }
        Verb::Publish { message } => simple("PUBLISH", &key).arg(&message[..]).take(),
        Verb::Get | Verb::List { .. } | Verb::Subscribe | Verb::Watch => simple("GET", &key),
    }
}

/// Reads the reply to the command of an operation.
pub(crate) fn answer(op: &Op, reply: Value) -> RedisResult<Answer> {
    Ok(match (&op.verb, reply) {
        (Verb::Get, Value::Nil) => Answer::Value(None),
        (Verb::Get, Value::BulkString(value)) => Answer::Value(Some(value.into())),
        (Verb::Put { .. }, Value::Okay) | (Verb::Publish { .. }, Value::Int(_)) => Answer::Done,
        (Verb::PutIf { .. }, Value::Okay) => Answer::Bool(true),
        (Verb::PutIf { .. }, Value::Nil) => Answer::Bool(false),
        (Verb::PutIf { .. } | Verb::Delete, Value::Int(count)) => Answer::Bool(count > 0),
        (Verb::Add { .. }, sum) => Answer::Number(redis::from_redis_value(sum)?),
        (Verb::Take { rate }, reply @ Value::Array(_)) => {
            let (is_allowed, left_us, reset_us, retry_us) = redis::from_redis_value::<(bool, u64, u64, u64)>(reply)?;
            Answer::Allowance(rate.checked().allowance(is_allowed, left_us, reset_us, retry_us))
        }
        _ => return Err((ErrorKind::UnexpectedReturnType, "the reply does not belong to the command").into()),
    })
}

/// Finds the first keys, then reads their values.
pub(crate) async fn list(
    server_prefix: &str,
    prefix: &str,
    limit: usize,
    connection: &mut MultiplexedConnection,
) -> RedisResult<Result<Answer, Error>> {
    let keys = first_keys(server_prefix, prefix, limit.min(LIST_MAX), connection).await?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    for keys in keys.chunks(READ_COUNT) {
        let mut read = redis::cmd("MGET");
        for key in keys {
            read.arg([server_prefix, key].concat());
        }
        let values: Vec<Option<Vec<u8>>> = read.query_async(connection).await?;
        for (key, value) in keys.iter().zip(values) {
            // A key may have expired in between.
            let Some(value) = value else { continue };
            bytes += key.len() + value.len();
            found.push((key.clone(), Bytes::from(value)));
        }
        if let Err(error) = check_list(prefix, bytes) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(Answer::List(found)))
}

/// Looks at all keys of the server, which has no order of keys, and keeps the first ones.
async fn first_keys(
    server_prefix: &str,
    prefix: &str,
    limit: usize,
    connection: &mut MultiplexedConnection,
) -> RedisResult<Vec<String>> {
    let pattern = format!("{}*", escaped(&[server_prefix, prefix].concat()));
    let (mut keys, mut cursor) = (BTreeSet::new(), 0_u64);
    if limit == 0 {
        return Ok(Vec::new());
    }
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT).arg("TYPE").arg("string");
        let (next, found): (u64, Vec<Vec<u8>>) = scan.query_async(connection).await?;
        // Another program may have written keys that are not text.
        for key in found.iter().filter_map(|key| std::str::from_utf8(key).ok()?.strip_prefix(server_prefix)) {
            if !prefix.is_empty() || !key.starts_with('.') {
                keys.insert(key.to_owned());
            }
            if keys.len() > limit {
                keys.pop_last();
            }
        }
        cursor = next;
        if cursor == 0 {
            return Ok(keys.into_iter().collect());
        }
    }
}

/// Returns what the caller is told about an error after which the connection can still be used.
pub(crate) fn refusal(op: &Op, error: &RedisError) -> Error {
    let (key, detail) = (shortened(&op.key), error.detail().unwrap_or_default());
    match error.kind() {
        _ if error.code() == Some("OOM") => Error::Full { limit: None },
        _ if detail.contains("not an integer") => Error::NotANumber { key },
        _ if detail.contains("would overflow") => Error::Overflow { key },
        ErrorKind::Server(_) | ErrorKind::Io => Error::unavailable(format!("Redis: {error}")),
        _ => Error::Other { message: format!("Redis: {error}") },
    }
}

fn simple(name: &str, key: &str) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key);
    command
}

fn script(text: &str, key: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(1).arg(key);
    command
}

/// Returns the milliseconds for `PX`, or nothing for a value that does not expire.
fn expiry(left_ms: Option<u64>) -> Option<u64> {
    left_ms.filter(|left_ms| *left_ms < EXPIRY_MS_MAX).map(|left_ms| left_ms.max(1))
}
