//! Without the feature `sessions`, an app has no sessions, at no cost: these types have no values.
use std::any::TypeId;

use http::HeaderValue;
use pixie_core::{Needs, Request, Response, Scheme, StateMap};

use crate::{
    error::StartError,
    table::{settings::Settings, store::Store},
};

pub(crate) enum SessionKeeper {}

#[derive(Clone)]
pub(crate) enum OpenSession {}

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) cookie: Option<HeaderValue>,
    pub(crate) is_used: bool,
}

pub(crate) fn is_read(_: &Needs) -> bool {
    false
}

pub(crate) fn is_session(_: TypeId) -> bool {
    false
}

impl SessionKeeper {
    pub(crate) fn of(_: &Settings, _: &StateMap, _: Option<&Store>) -> Result<Option<SessionKeeper>, StartError> {
        Ok(None)
    }

    pub(crate) async fn open(&self, _: &mut Request) {
        match *self {}
    }

    pub(crate) async fn keep(&self, _: &OpenSession, _: Scheme, _: &mut Response) -> Kept {
        match *self {}
    }
}

impl OpenSession {
    pub(crate) fn of(_: &Request) -> Option<OpenSession> {
        None
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match *self {}
    }

    pub(crate) fn receive(_: &mut Request, _: &[u8]) -> Option<()> {
        None
    }

    pub(crate) fn encode_changes(&self) -> Vec<u8> {
        match *self {}
    }

    pub(crate) fn accept(&self, _: &[u8]) -> Option<()> {
        match *self {}
    }
}
