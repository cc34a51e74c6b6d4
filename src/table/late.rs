//! Values that only one program at a time can have, such as the file of an embedded database.
//!
//! While a program replaces the one before, both run: under `pixie dev` and at a restart. So the new program opens
//! the value when the old one has closed it. At an ordinary start, it opens the value before it is ready.
use std::{
    env, fmt,
    sync::{Mutex, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use pixie_core::Result;

/// Limits how long the old program may keep the value: as long as a graceful stop takes by default, and more.
const PATIENCE: Duration = Duration::from_secs(15);
/// Time between two attempts. The other program does not tell when it has closed a file.
const PAUSE: Duration = Duration::from_millis(5);
/// The variable that names the program before, at a restart: its process id, `:`, and the path of its socket.
pub(crate) const PREDECESSOR: &str = "PIXIE_PREDECESSOR";
/// Set in a program that replaces another one: by `pixie dev`, and by a restart.
const REPLACING: [&str; 2] = ["PIXIE_DEV_REPLACES", PREDECESSOR];

/// A value that is opened when the program before has closed it: see [`App::state_late`](crate::App::state_late).
pub struct Late<T> {
    open: Box<dyn Fn() -> Result<T> + Send + Sync>,
    value: OnceLock<T>,
    opening: Mutex<()>,
    is_replacing: bool,
}

impl<T> Late<T> {
    pub(crate) fn new(open: impl Fn() -> Result<T> + Send + Sync + 'static) -> Late<T> {
        let is_replacing = REPLACING.iter().any(|name| env::var_os(name).is_some());
        Late { open: Box::new(open), value: OnceLock::new(), opening: Mutex::new(()), is_replacing }
    }

    /// Returns the value. If another program still has it, waits for up to 15 s, so call this in thread routes.
    ///
    /// # Errors
    ///
    /// Fails with the error of the last attempt to open the value.
    pub fn get(&self) -> Result<&T> {
        self.get_within(if self.is_replacing { PATIENCE } else { Duration::ZERO })
    }

    /// Opens the value at the start of the program. A program that replaces another one may have to wait, so its
    /// start does not fail.
    pub(crate) fn prepare(&self) -> Result<()> {
        match self.get_within(Duration::ZERO) {
            Err(error) if !self.is_replacing => Err(error),
            _ => Ok(()),
        }
    }

    fn get_within(&self, patience: Duration) -> Result<&T> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let end = Instant::now() + patience;
        loop {
            if let Some(value) = self.value.get() {
                return Ok(value);
            }
            match (self.open)() {
                Ok(value) => drop(self.value.set(value)),
                Err(error) if Instant::now() >= end => return Err(error),
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }
}

impl<T> fmt::Debug for Late<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Late").field("is_open", &self.value.get().is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use pixie_core::Error;

    use super::Late;

    /// Returns a value that cannot be opened the first `failures` times.
    fn late(failures: u32, is_replacing: bool) -> Late<u32> {
        let attempts = AtomicU32::new(0);
        let open = move || match attempts.fetch_add(1, Relaxed) {
            attempt if attempt < failures => Err(Error::internal("another program has it")),
            attempt => Ok(attempt),
        };
        Late { is_replacing, ..Late::new(open) }
    }

    #[test]
    fn a_program_that_replaces_another_waits_for_it() {
        let value = late(3, true);
        value.prepare().expect("the start does not fail");
        assert_eq!((value.get().ok(), value.get().ok()), (Some(&3), Some(&3)), "it is opened once");
    }

    #[test]
    fn the_start_of_the_first_program_fails() {
        let error = late(1, false).prepare().expect_err("it cannot be opened");
        assert_eq!(error.to_string(), "another program has it");
        late(0, false).prepare().expect("it can");
    }
}
