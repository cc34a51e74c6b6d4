//! What the jobs of a pool may use of their program's store.
//!
//! The program answers them with [`Config::calls`]; this only says what it may answer.
use pixie_store::Access;

use crate::config::Config;

/// # Store
impl Config {
    /// Allows the jobs of this pool to use the keys and topics of a pattern: a key, or the beginning of keys
    /// with a `*` behind it. Each call adds one pattern, and what no pattern allows is forbidden.
    ///
    /// Without a call, jobs use the whole store, except in a strict sandbox, where they cannot use it.
    /// Feature `store`.
    ///
    /// ```
    /// use pixie_pool::{Access, Pool};
    ///
    /// let config = Pool::named("images").store("progress/*", Access::ReadWrite).store("sizes", Access::Read);
    /// assert_eq!(config.store_grants().len(), 2);
    /// ```
    pub fn store(mut self, keys: impl Into<String>, access: Access) -> Self {
        self.grants.get_or_insert_default().push((keys.into(), access));
        self
    }

    /// Returns the patterns of the store that jobs may use, for the `Gate` of the crate `pixie-store`.
    pub fn store_grants(&self) -> Vec<(String, Access)> {
        let default = || match self.sandbox.is_strict() {
            true => Vec::new(),
            false => vec![("*".to_owned(), Access::ReadWrite)],
        };
        self.grants.clone().unwrap_or_else(default)
    }

    pub(super) fn inherit_grants(&mut self, from: &Config) {
        if self.grants.is_none() {
            self.grants.clone_from(&from.grants);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pool, Sandbox};

    #[test]
    fn a_strict_sandbox_uses_nothing_of_the_store_unless_it_is_allowed() {
        let all = vec![("*".to_owned(), Access::ReadWrite)];
        let strict = || Pool::named("p").sandbox(Sandbox::strict());
        assert_eq!(Pool::named("p").store_grants(), all);
        assert_eq!(Pool::named("p").sandbox(Sandbox::no_network()).store_grants(), all);
        assert_eq!(strict().store_grants(), []);
        let mut heir = strict();
        heir.inherit(&strict().store("a/*", Access::Read));
        assert_eq!(heir.store_grants(), [("a/*".to_owned(), Access::Read)]);
    }
}
