//! `File` in a program that was built without the feature `file`.

use std::{convert::Infallible, sync::Arc};

use super::Started;
use crate::{Error, feed::Hub, limits::Limits, op::Op};

pub(crate) struct File(Infallible);

impl File {
    pub(crate) fn open(_: &str, _: &Limits, _: &Arc<Hub>) -> Result<File, Error> {
        Err(Error::open(
            "this program was built without files as stores: enable the feature `file`, in pixie-web `store-file`",
        ))
    }

    pub(crate) fn start(&self, _: &Op) -> Started {
        match self.0 {}
    }
}
