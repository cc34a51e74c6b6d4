//! Topics as channels, and watches as keyspace notifications.
//!
//! Owns the names of both on the server. What arrives goes to the `Hub`.

use redis::{
    PushInfo, PushKind, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};

use crate::{
    ChangeKind, Error,
    feed::{Hub, Subject},
};

/// Asks the server for events about keys: keyspace events of generic commands and strings, expiry, eviction.
const EVENTS: &str = "Kg$xe";

/// Subscribes at the server. A server that does not let us turn on its events is an error of the caller.
pub(crate) async fn subscribe(
    connection: &mut MultiplexedConnection,
    server_prefix: &str,
    subject: Subject,
    names: &[&str],
) -> RedisResult<Result<(), Error>> {
    let names = named(connection, server_prefix, subject, names);
    match subject {
        _ if names.is_empty() => Ok(Ok(())),
        Subject::Topic => connection.subscribe(names).await.map(Ok),
        Subject::Prefix => match turn_on(connection).await {
            Ok(()) => connection.psubscribe(names).await.map(Ok),
            Err(error) if error.is_unrecoverable_error() => Err(error),
            Err(error) => Ok(Err(Error::unsupported(format!(
                "Redis does not report changes of keys: set its option `notify-keyspace-events` to \"{EVENTS}\" ({error})"
            )))),
        },
    }
}

pub(crate) async fn unsubscribe(
    connection: &mut MultiplexedConnection,
    server_prefix: &str,
    subject: Subject,
    name: &str,
) -> RedisResult<()> {
    let names = named(connection, server_prefix, subject, &[name]);
    match subject {
        Subject::Topic => connection.unsubscribe(names).await,
        Subject::Prefix => connection.punsubscribe(names).await,
    }
}

/// Returns the channels of topics, or the patterns for the events of keys.
fn named(connection: &MultiplexedConnection, server_prefix: &str, subject: Subject, names: &[&str]) -> Vec<String> {
    let named = |name: &&str| match subject {
        Subject::Topic => [server_prefix, name].concat(),
        Subject::Prefix => pattern(connection.get_db(), server_prefix, name),
    };
    names.iter().map(named).collect()
}

/// Turns on the events that are missing, and keeps those that others have turned on.
async fn turn_on(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let option = "notify-keyspace-events";
    let found: RedisResult<Vec<(String, String)>> =
        redis::cmd("CONFIG").arg("GET").arg(option).query_async(connection).await;
    // Hosted servers often refuse to show the option although it is set.
    let found = found?.into_iter().map(|(_, events)| events).collect::<String>();
    // `A` stands for all classes.
    let is_on = |event| found.contains(event) || (event != 'K' && found.contains('A'));
    let missing: String = EVENTS.chars().filter(|event| !is_on(*event)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    redis::cmd("CONFIG").arg("SET").arg(option).arg([found, missing].concat()).exec_async(connection).await
}

/// Returns the pattern for the events of all keys that begin with `name`.
fn pattern(database: i64, server_prefix: &str, name: &str) -> String {
    format!("__keyspace@{database}__:{}*", escaped(&[server_prefix, name].concat()))
}

/// Returns text that matches itself in a pattern of Redis.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if "*?[]\\^".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Gives a message of the server to those who wait for it.
pub(crate) fn deliver(hub: &Hub, server_prefix: &str, push: PushInfo) {
    let mut parts = push.data.into_iter().map(|part| match part {
        Value::BulkString(bytes) => bytes,
        Value::SimpleString(text) => text.into_bytes(),
        _ => Vec::new(),
    });
    let mut text = || String::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
    match push.kind {
        PushKind::Message => {
            let channel = text();
            if let Some(topic) = channel.strip_prefix(server_prefix) {
                hub.publish(topic, parts.next().unwrap_or_default().into());
            }
        }
        PushKind::PMessage => {
            let (pattern, channel, event) = (text(), text(), text());
            let key = channel.split_once("__:").and_then(|(_, key)| key.strip_prefix(server_prefix));
            if let (Some(prefix), Some(key), Some(kind)) = (watched(server_prefix, &pattern), key, kind(&event)) {
                hub.changed_under(&prefix, key, kind);
            }
        }
        _ => {}
    }
}

/// Returns the prefix that a pattern of ours stands for.
fn watched(server_prefix: &str, pattern: &str) -> Option<String> {
    let (_, escaped) = pattern.split_once("__:")?;
    let (mut prefix, mut characters) = (String::new(), escaped.strip_suffix('*')?.chars());
    while let Some(character) = characters.next() {
        prefix.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    prefix.strip_prefix(server_prefix).map(str::to_owned)
}

fn kind(event: &str) -> Option<ChangeKind> {
    match event {
        "set" | "incrby" => Some(ChangeKind::Put),
        "del" | "evicted" => Some(ChangeKind::Deleted),
        "expired" => Some(ChangeKind::Expired),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_its_prefix() {
        for prefix in ["", "a", "a*b?[c]^\\", "ü/*"] {
            assert_eq!(watched("shop:", &pattern(3, "shop:", prefix)).as_deref(), Some(prefix));
        }
        assert_eq!(watched("shop:", &pattern(0, "other:", "a")), None);
    }
}
