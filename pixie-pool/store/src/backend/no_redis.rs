//! `Redis` in a program that was built without the feature `redis`.

use std::{convert::Infallible, sync::Arc};

use super::{Caller, Started};
use crate::{Error, feed::Hub, limits::Limits, op::Op};

pub(crate) struct Redis(Infallible);

impl Redis {
    pub(crate) fn open(_: &str, _: &Limits, _: &Arc<Hub>) -> Result<Redis, Error> {
        Err(Error::open("this program was built without Redis: enable the feature `redis`, in pixie-web `store-redis`"))
    }

    pub(crate) fn attach(&self) {}

    pub(crate) fn start(&self, _: &Op, _: Caller) -> Started {
        match self.0 {}
    }
}
