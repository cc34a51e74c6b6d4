//! stub
use std::borrow::Cow;
#[derive(Clone, Debug)]
pub struct Pattern;
#[derive(Clone, Debug)]
pub struct PatternError;
#[derive(Clone, Debug, Default)]
pub struct Params;
impl Pattern {
    pub fn parse(_: &str) -> Result<Pattern, PatternError> {
        Ok(Pattern)
    }
}
impl Params {
    pub fn get<'a>(&'a self, _: &str, _p: &'a str) -> Option<Cow<'a, str>> {
        None
    }
}
