//! Which pool a variable of the environment speaks of, for as long as that pool lives.
//!
//! Owns the names of this process's pools by their variables. Leaves what a variable says to `overrides`. Rule: no variable
//! overrides two pools of different names; pools of the same name are meant together.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::overrides::variable;

/// By variable, the name of the pools that it speaks of and how many these are.
static CLAIMS: Mutex<BTreeMap<String, (String, usize)>> = Mutex::new(BTreeMap::new());

fn claims() -> MutexGuard<'static, BTreeMap<String, (String, usize)>> {
    // Each change below is one step.
    CLAIMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pool's right to its variable; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Claim {
    variable: String,
}

impl Claim {
    /// Fails if the variable speaks of a pool with another name.
    pub(crate) fn take(pool: &str) -> Result<Self, String> {
        let variable = variable(pool);
        let mut claims = claims();
        let (name, count) = claims.entry(variable.clone()).or_insert_with(|| (pool.to_owned(), 0));
        if name != pool {
            return Err(format!(
                "the pools `{name}` and `{pool}` would both be overridden by the variable {variable}: rename one of them"
            ));
        }
        *count += 1;
        Ok(Claim { variable })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = claims().entry(std::mem::take(&mut self.variable)) {
            entry.get_mut().1 -= 1;
            if entry.get().1 == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

    #[test]
    fn a_variable_belongs_to_one_name_until_the_last_pool_of_that_name_is_gone() {
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
