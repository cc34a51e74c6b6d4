//! `Notes` without the feature `openapi`: the same methods, which keep nothing.
use http::HeaderName;

use crate::Security;

/// What a handler reads and sends, for an OpenAPI document. Empty without the feature `openapi`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Notes {}

impl Notes {
    /// Has an effect with the feature `openapi`.
    pub fn body<T: ?Sized>(&mut self, _: &'static str) {}

    /// Has an effect with the feature `openapi`.
    pub fn form<T: ?Sized>(&mut self) {}

    /// Has an effect with the feature `openapi`.
    pub fn query<T: ?Sized>(&mut self) {}

    /// Has an effect with the feature `openapi`.
    pub fn security(&mut self, _: &'static str, _: Security) {}

    /// Has an effect with the feature `openapi`.
    pub fn secured(&mut self, _: &'static str) {}

    /// Has an effect with the feature `openapi`.
    pub fn answer<T: ?Sized>(&mut self, _: &'static str, _: &'static str) {}

    /// Has an effect with the feature `openapi`.
    pub fn empty_answer(&mut self, _: &'static str) {}

    /// Has an effect with the feature `openapi`.
    pub fn failure(&mut self, _: &'static str) {}

    pub(crate) fn files(&mut self, _: bool) {}

    pub(crate) fn header(&mut self, _: HeaderName) {}

    pub(crate) fn with_status(&mut self, _: &'static str, _: impl FnOnce(&mut Notes)) {}

    pub(crate) fn set_optional(&mut self, _: bool) -> bool {
        false
    }

    /// For the macros.
    #[doc(hidden)]
    pub fn set_argument(&mut self, _: &'static str) {}
}
