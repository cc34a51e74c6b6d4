//! In place of `linux::cgroup` on other systems.
//!
//! Invariant: `open` always fails, so the other methods are never called.

use std::{convert::Infallible, io};

use super::{MemoryUse, NoCgroups};

#[derive(Clone, Debug)]
pub(crate) struct Cgroups(Infallible);

impl Cgroups {
    pub(crate) fn open() -> Result<Self, NoCgroups> {
        Err(NoCgroups::NotDelegated("only Linux has cgroups".to_owned()))
    }

    pub(crate) fn admit(&self, _: &str, _: u64, _: u32) -> io::Result<WorkerCgroup> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct WorkerCgroup(Infallible);

impl WorkerCgroup {
    pub(crate) fn memory_use(&self) -> MemoryUse {
        match self.0 {}
    }

    pub(crate) fn remove(&self) {
        match self.0 {}
    }
}
