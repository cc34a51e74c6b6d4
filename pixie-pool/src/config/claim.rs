//! The environment variable of each running pool.
//!
//! Owns the names of this process's pools by variable. Leaves what a variable says to `environment`.
//! Invariant: a variable applies to pools of one name only; several pools may have that name.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::environment::variable;

/// By variable: the name of its pools and how many of them run.
static CLAIMS: Mutex<BTreeMap<String, (String, usize)>> = Mutex::new(BTreeMap::new());

fn claims() -> MutexGuard<'static, BTreeMap<String, (String, usize)>> {
    // A panic cannot leave a change half done: each is one step.
    CLAIMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running pool's use of its variable, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    variable: String,
}

impl Claim {
    /// Returns an error if a pool with another name uses the variable.
    pub(crate) fn take(pool: &str) -> Result<Self, String> {
        let variable = variable(pool);
        let mut claims = claims();
        let (name, count) = claims.entry(variable.clone()).or_insert_with(|| (pool.to_owned(), 0));
        if name != pool {
            return Err(format!(
                "the variable {variable} would apply to both pools `{name}` and `{pool}`: rename one of them"
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
