//! The environment's word over the program's: `PIXIE_POOL_IMAGES="size=2..8 deadline=2s"`.
//!
//! Owns the grammar of such a line and its names, which are those of [`Config`]. Leaves what the numbers mean to it.
//! Rule: what cannot be read is refused and named; nothing is skipped.

use std::{env::VarError, time::Duration};

use crate::config::{ByteSize, Config};

/// Before the name of a pool in capitals, with `_` for what a variable's name cannot hold.
const PREFIX: &str = "PIXIE_POOL_";
/// Every name that may stand in the variable.
const NAMES: &str = "size, spares, deadline, extension, cpu_time, queue, queue_timeout, boot_timeout, idle_timeout, slow_after, cancel_grace, \
                     stream_idle_timeout, memory, recycle_after, recycle_age, recycle_memory, breaker, poison_refusal";

impl Config {
    /// Lets the variable `PIXIE_POOL_` with the pool's name in capitals (`-` and `.` become `_`) override numbers: pairs such as
    /// `size=2..8 deadline=2s breaker=off`, separated by spaces or commas, with the names of the fields here; `none` takes a limit away.
    ///
    /// Fails with a message that names the variable and the pair that cannot be read. A pool whose variable is that of a living
    /// one with another name, such as `a.b` beside `a-b`, does not start.
    pub fn override_by_environment(&mut self) -> Result<(), String> {
        let variable = variable(&self.name);
        match std::env::var(&variable) {
            Ok(line) => self.override_by(&line).map_err(|why| format!("{variable}: {why}")),
            Err(VarError::NotPresent) => Ok(()),
            Err(VarError::NotUnicode(_)) => Err(format!("{variable}: the value is not UTF-8")),
        }
    }

    /// The same for a line from anywhere, such as a configuration file of the program.
    pub fn override_by(&mut self, line: &str) -> Result<(), String> {
        for pair in line.split([' ', ',', '\t', '\n']).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is no pair such as `size=4`"))?;
            self.set(name, value).map_err(|why| format!("`{pair}`: {why}"))?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "size" => self.size = value.parse()?,
            "spares" => self.spares = number(value)?,
            "deadline" => self.deadline = unless_none(value, duration)?,
            "extension" => self.extension = duration(value)?,
            "cpu_time" => self.cpu_time = unless_none(value, duration)?,
            "queue" => self.queue = number(value)?,
            "queue_timeout" => self.queue_timeout = duration(value)?,
            "boot_timeout" => self.boot_timeout = duration(value)?,
            "idle_timeout" => self.idle_timeout = duration(value)?,
            "slow_after" => self.slow_after = unless_none(value, duration)?,
            "cancel_grace" => self.cancel_grace = duration(value)?,
            "stream_idle_timeout" => self.stream_idle_timeout = duration(value)?,
            "memory" => self.memory = unless_none(value, bytes)?,
            "recycle_after" => self.recycle_after = unless_none(value, number)?,
            "recycle_age" => self.recycle_age = unless_none(value, duration)?,
            "recycle_memory" => self.recycle_memory = unless_none(value, bytes)?,
            "breaker" => self.breaker = switch(value)?,
            "poison_refusal" => self.poison_refusal = switch(value)?,
            _ => return Err(format!("there is no `{name}`, only {NAMES}")),
        }
        Ok(())
    }
}

/// Returns the variable that overrides the pool of this name.
pub(super) fn variable(pool: &str) -> String {
    let capitals = pool.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    PREFIX.chars().chain(capitals).collect()
}

fn unless_none<T>(value: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if value == "none" { Ok(None) } else { read(value).map(Some) }
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| "the value has to be a whole number".to_owned())
}

fn bytes(value: &str) -> Result<ByteSize, String> {
    let size = ByteSize::from(value);
    size.bytes().map_err(str::to_owned)?;
    Ok(size)
}

fn switch(value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("the value has to be `on` or `off`".to_owned()),
    }
}

/// Reads a whole number with `ms`, `s`, `m` or `h` behind it.
fn duration(value: &str) -> Result<Duration, String> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &value[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let ms = unit_ms.zip(digits.parse::<u64>().ok()).and_then(|(unit, n)| n.checked_mul(unit));
    ms.map(Duration::from_millis)
        .ok_or_else(|| "the value has to be a time such as `500ms`, `2s`, `5m` or `1h`".to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;
    use crate::config::Size;

    #[test]
    fn a_line_overrides_what_it_names_and_nothing_else() {
        let mut config = Config::default();
        config.override_by("size=2..8, deadline=2s memory=64MB breaker=off\trecycle_after=none").unwrap();
        assert_eq!(config.size, Size { min: 2, max: 8 });
        assert_eq!(config.deadline, Some(Duration::from_secs(2)));
        assert_eq!(config.memory, Some(ByteSize::from(64 << 20)));
        assert!(!config.breaker && config.poison_refusal);
        assert_eq!((config.queue, config.recycle_after), (Config::default().queue, None));
        config.override_by("deadline=none").unwrap();
        assert_eq!(config.deadline, None);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (line, why) in [
            ("siz=4", "there is no `siz`, only size"),
            ("size", "no pair such as `size=4`"),
            ("size=8..2", "as in `2..8`"),
            ("deadline=2", "such as `500ms`"),
            ("deadline=soon", "such as `500ms`"),
            ("queue=-1", "whole number"),
            ("memory=64", "for example `256MB`"),
            ("breaker=no", "`on` or `off`"),
        ] {
            let message = Config::default().override_by(line).unwrap_err();
            assert!(message.contains(why) && message.contains(line), "{line}: {message}");
        }
    }

    #[test]
    fn every_name_in_the_list_can_be_set() {
        for name in NAMES.split(", ") {
            let fits = ["4", "2s", "64MB", "on"].iter().any(|value| Config::default().set(name.trim(), value).is_ok());
            assert!(fits, "{name}");
        }
    }

    #[test]
    fn a_pool_has_a_variable_of_its_own() {
        assert_eq!(variable("images-large.v2"), "PIXIE_POOL_IMAGES_LARGE_V2");
    }
}
