//! What each operation means, on any table of records. Time is an argument.
//!
//! The memory and the file share these rules. Redis has the same ones in its commands and scripts.

use crate::{
    ChangeKind, Error,
    limits::{EXPIRY_MS_MAX, LIST_MAX, check_list, shortened},
    op::{Answer, Op, Verb},
    room::Room,
    table::{Lookup, NEVER, Record, Table},
};

/// Answers an operation that changes nothing.
pub(crate) fn read(op: &Op, table: &impl Lookup, now_us: u64) -> Result<Answer, Error> {
    let now_ms = now_us / 1000;
    match &op.verb {
        Verb::Get => Ok(Answer::Value(live(table, &op.key, now_ms)?.map(|record| record.value))),
        Verb::List { limit } => list(table, &op.key, *limit, now_ms),
        _ => Err(Error::strange_answer()),
    }
}

/// Applies an operation that changes at most one record, and tells what it has changed.
pub(crate) fn apply<T: Table>(
    op: &Op,
    room: &mut Room<T>,
    now_us: u64,
    tell: &mut dyn FnMut(&str, ChangeKind),
) -> Result<Answer, Error> {
    let (key, now_ms) = (&op.key, now_us / 1000);
    room.sweep(now_ms, tell)?;
    match &op.verb {
        Verb::Put { value, expires_ms } => {
            room.insert(key, Record { value: value.clone(), expires_ms: expiry(now_us, *expires_ms) })?;
            tell(key, ChangeKind::Put);
            Ok(Answer::Done)
        }
        Verb::PutIf { version, value, expires_ms } => {
            let is_same = live(&room.table, key, now_ms)?.map(|record| record.value) == *version;
            if is_same {
                room.insert(key, Record { value: value.clone(), expires_ms: expiry(now_us, *expires_ms) })?;
                tell(key, ChangeKind::Put);
            }
            Ok(Answer::Bool(is_same))
        }
        Verb::Add { by, expires_ms } => {
            let (before, expires_ms) = match live(&room.table, key, now_ms)? {
                Some(record) => (number(key, &record.value)?, record.expires_ms),
                None => (0, expiry(now_us, *expires_ms)),
            };
            let sum = before.checked_add(*by).ok_or_else(|| Error::Overflow { key: shortened(key) })?;
            room.insert(key, Record { value: sum.to_string().into(), expires_ms })?;
            tell(key, ChangeKind::Put);
            Ok(Answer::Number(sum))
        }
        Verb::Delete => {
            let was_live = live(&room.table, key, now_ms)?.is_some();
            if was_live {
                room.remove(key)?;
                tell(key, ChangeKind::Deleted);
            }
            Ok(Answer::Bool(was_live))
        }
        Verb::Take { rate } => {
            let found = live(&room.table, key, now_ms)?;
            let full_us = found.and_then(|record| std::str::from_utf8(&record.value).ok()?.parse().ok());
            let (allowance, full_us) = rate.checked().take(full_us, now_us);
            if allowance.is_allowed {
                let record = Record { value: full_us.to_string().into(), expires_ms: full_us.div_ceil(1000) };
                room.insert(key, record)?;
            }
            Ok(Answer::Allowance(allowance))
        }
        _ => Err(Error::strange_answer()),
    }
}

fn live(table: &impl Lookup, key: &str, now_ms: u64) -> Result<Option<Record>, Error> {
    Ok(table.get(key)?.filter(|record| record.is_live(now_ms)))
}

/// Returns when a record expires. Rounded up, so that the value stays for its whole time, and at least one
/// millisecond later, because Redis has no less.
fn expiry(now_us: u64, left_ms: Option<u64>) -> u64 {
    match left_ms {
        None | Some(EXPIRY_MS_MAX..) => NEVER,
        Some(left_ms) => now_us.div_ceil(1000) + left_ms.max(1),
    }
}

/// Reads a number as Redis does: without a plus, spaces or leading zeros.
fn number(key: &str, value: &[u8]) -> Result<i64, Error> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    number.ok_or_else(|| Error::NotANumber { key: shortened(key) })
}

fn list(table: &impl Lookup, prefix: &str, limit: usize, now_ms: u64) -> Result<Answer, Error> {
    let (mut found, mut bytes, limit) = (Vec::new(), 0, limit.min(LIST_MAX));
    if limit > 0 {
        table.visit(prefix, &mut |key, record| {
            if record.is_live(now_ms) && (!prefix.is_empty() || !key.starts_with('.')) {
                bytes += key.len() + record.value.len();
                check_list(prefix, bytes)?;
                found.push((key.to_owned(), record.value));
            }
            Ok(found.len() < limit)
        })?;
    }
    Ok(Answer::List(found))
}

#[cfg(test)]
mod tests;
