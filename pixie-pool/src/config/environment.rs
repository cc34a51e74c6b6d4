//! Settings from a text: `PIXIE_POOL_IMAGES="size=2..8 deadline=2s"`.
//!
//! Owns the name of a pool's variable, which running pool uses it, the grammar of its value, and the
//! conversion of each value from text. Leaves the names of the settings to `settings`. Invariant: a text is
//! applied as a whole or refused with a message that shows the faulty pair.

use std::{
    env::VarError,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pixie_grammar::parse_duration;

use crate::config::{ByteSize, Config, Size};

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
        let variable = variable(&self.name);
        match std::env::var(&variable) {
            Ok(line) => self.override_by(&line).map_err(|why| format!("{variable}: {why}")),
            Err(VarError::NotPresent) => Ok(()),
            Err(VarError::NotUnicode(_)) => Err(format!("{variable}: the value is not UTF-8")),
        }
    }

    /// Applies pairs such as `size=2..8 deadline=2s` from another source, such as a configuration file.
    ///
    /// # Errors
    ///
    /// Returns a message with the faulty pair.
    pub fn override_by(&mut self, line: &str) -> Result<(), String> {
        let mut changed = self.clone();
        for pair in line.split([' ', ',', '\t', '\n']).filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| format!("`{pair}` is not a pair such as `size=4`"))?;
            changed.set_text(name, value).map_err(|why| format!("`{pair}`: {why}"))?;
        }
        *self = changed;
        Ok(())
    }
}

/// Returns the name of the variable for the pool of this name.
fn variable(pool: &str) -> String {
    let capitals = pool.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    PREFIX.chars().chain(capitals).collect()
}

/// The names of the running pools.
static RUNNING: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A running pool's use of its variable, until it is dropped. A variable applies to pools of one name.
#[derive(Debug)]
pub(crate) struct Claim(String);

impl Claim {
    /// Returns an error if a pool with another name uses the variable.
    pub(crate) fn take(name: &str) -> Result<Self, String> {
        let (mut running, own) = (RUNNING.lock().unwrap_or_else(PoisonError::into_inner), variable(name));
        if let Some(other) = running.iter().find(|other| *other != name && variable(other) == own) {
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

/// A type of settings that a text can hold.
pub(super) trait FromText: Sized {
    /// Returns the value, or why the text does not hold one.
    fn from_text(text: &str) -> Result<Self, String>;
}

impl FromText for Size {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl FromText for usize {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "the value must be a whole number".to_owned())
    }
}

impl FromText for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err("the value must be `on` or `off`".to_owned()),
        }
    }
}

impl FromText for Duration {
    fn from_text(text: &str) -> Result<Self, String> {
        parse_duration(text)
    }
}

impl FromText for ByteSize {
    fn from_text(text: &str) -> Result<Self, String> {
        let size = ByteSize::from(text);
        match size.bytes()? {
            0 => Err("the limit must be greater than 0; write `none` for no limit, where that is allowed".to_owned()),
            _ => Ok(size),
        }
    }
}

impl<T: FromText> FromText for Option<T> {
    fn from_text(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(None) } else { T::from_text(text).map(Some) }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

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
            ("memory=0B", "greater than 0"),
            ("recycle_memory=0MB", "write `none`"),
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
        assert_eq!(variable("images-large.v2"), "PIXIE_POOL_IMAGES_LARGE_V2");
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
