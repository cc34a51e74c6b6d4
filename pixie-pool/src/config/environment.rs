//! Settings from a text: `PIXIE_POOL_IMAGES="size=2..8 deadline=2s"`.
//!
//! Owns the name of a pool's variable, which running pool uses it, and the grammar of its value. Leaves the
//! settings to `settings`, and the conversion of texts to pixie-grammar. Invariant: a text is applied as a
//! whole or refused with a message that shows the faulty pair.

use std::{
    env::VarError,
    sync::{Mutex, PoisonError},
};

use crate::config::Config;

/// The start of each variable's name; the pool's name in capitals follows.
const PREFIX: &str = "PIXIE_POOL_";

/// # The environment
impl Config {
    /// Applies the variable `PIXIE_POOL_` with the pool's name in capitals (`-` and `.` become `_`), if it is
    /// set. Its value holds pairs such as `size=2..8 deadline=2s breaker=off`, separated by spaces or commas;
    /// `none` removes a limit. The documentation of each method that a pair can replace shows such a pair.
    ///
    /// The start of a pool calls this, too. Only the first call reads the variable, so that settings that a
    /// program makes after its own call are kept.
    ///
    /// # Errors
    ///
    /// Returns a message with the variable and the faulty pair. Two pools that run at the same time cannot
    /// share a variable, so a pool `a.b` does not start while a pool `a-b` runs.
    pub fn override_by_environment(&mut self) -> Result<(), String> {
        if std::mem::replace(&mut self.has_environment, true) {
            return Ok(());
        }
        let variable = Config::variable(&self.name);
        match std::env::var(&variable) {
            Ok(line) => self.override_by(&line).map_err(|why| format!("{variable}: {why}")),
            Err(VarError::NotPresent) => Ok(()),
            Err(VarError::NotUnicode(_)) => Err(format!("{variable}: the value is not UTF-8")),
        }
    }

    /// Leaves the variable of the environment unread, for a program that has read it in its own way.
    pub fn ignore_environment(mut self) -> Self {
        self.has_environment = true;
        self
    }

    /// Applies pairs such as `size=2..8 deadline=2s` from another source, such as a configuration file.
    ///
    /// # Errors
    ///
    /// Returns a message with the faulty pair.
    pub fn override_by(&mut self, line: &str) -> Result<(), String> {
        let mut changed = self.clone();
        for pair in Config::pairs(line) {
            let (name, value) = pair?;
            changed.set_text(name, value).map_err(|why| format!("`{name}={value}`: {why}"))?;
        }
        *self = changed;
        Ok(())
    }

    /// Splits a line into pairs of names and texts. A word that is not a pair is an error.
    pub fn pairs(line: &str) -> impl Iterator<Item = Result<(&str, &str), String>> {
        let words = line.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty());
        words.map(|word| word.split_once('=').ok_or_else(|| format!("`{word}` is not a pair such as `size=4`")))
    }

    /// Returns the name of the variable for the pool of this name.
    pub fn variable(pool: &str) -> String {
        let capitals = pool.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
        PREFIX.chars().chain(capitals).collect()
    }
}

/// The names of the running pools.
static RUNNING: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A running pool's use of its variable, until it is dropped. A variable applies to pools of one name.
#[derive(Debug)]
pub(crate) struct Claim(String);

impl Claim {
    /// Returns an error if a pool with another name uses the variable.
    pub(crate) fn take(name: &str) -> Result<Self, String> {
        let (mut running, own) = (RUNNING.lock().unwrap_or_else(PoisonError::into_inner), Config::variable(name));
        if let Some(other) = running.iter().find(|other| *other != name && Config::variable(other) == own) {
            return Err(format!(
                "the variable {own} would apply to both pools `{other}` and `{name}`: rename one of them"
            ));
        }
        running.push(name.to_owned());
        Ok(Claim(name.to_owned()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = running.iter().position(|name| *name == self.0) {
            running.swap_remove(at);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{ByteSize, Size};

    #[test]
    fn a_line_changes_only_the_settings_that_it_names() {
        let mut config = Config::default();
        config.override_by("size=2..8, deadline=2s memory=64MB breaker=off\trecycle_after=none").unwrap();
        assert_eq!(config.size, Size { min: 2, max: 8 });
        assert_eq!(config.deadline, Some(Duration::from_secs(2)));
        assert_eq!(config.memory, Some(ByteSize::from(64_000_000)));
        assert!(!config.breaker && config.repeat_crash_refusal);
        assert_eq!((config.queue, config.recycle_after), (Config::default().queue, None));
        config.override_by("deadline=none").unwrap();
        assert_eq!(config.deadline, None);
    }

    #[test]
    fn a_malformed_line_is_refused_with_the_faulty_pair() {
        for (line, why) in [
            ("siz=4", "there is no `siz`, only size"),
            ("size", "not a pair such as `size=4`"),
            ("size=8..2", "such as `2..8`"),
            ("deadline=2", "such as `2s`"),
            ("deadline=soon", "such as `2s`"),
            ("queue=-1", "whole number"),
            ("memory=0B", "below the minimum, 1B"),
            ("recycle_memory=0MB", "below the minimum, 1B"),
            ("memory=64", "such as `10MB`"),
            ("breaker=no", "`on` or `off`"),
        ] {
            let mut config = Config::default();
            let message = config.override_by(&format!("spares=9 {line}")).unwrap_err();
            assert!(message.contains(why) && message.contains(line), "{line}: {message}");
            assert_eq!(config.spares, Config::default().spares);
        }
    }

    #[test]
    fn each_pool_has_its_own_variable() {
        assert_eq!(Config::variable("images-large.v2"), "PIXIE_POOL_IMAGES_LARGE_V2");
    }

    #[test]
    fn a_variable_belongs_to_one_name_until_the_last_pool_of_that_name_has_stopped() {
        let (first, second) = (Claim::take("claimed-here").unwrap(), Claim::take("claimed-here").unwrap());
        for other in ["claimed.here", "claimed_here", "Claimed-Here"] {
            let message = Claim::take(other).unwrap_err();
            assert!(
                message.contains("`claimed-here`")
                    && message.contains(&format!("`{other}`"))
                    && message.contains("PIXIE_POOL_CLAIMED_HERE"),
                "{message}"
            );
        }
        drop(first);
        assert!(Claim::take("claimed.here").is_err());
        drop(second);
        assert!(Claim::take("claimed.here").is_ok());
    }
}
