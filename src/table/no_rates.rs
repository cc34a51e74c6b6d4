//! Without the feature `store` there are no limits, and a route that has one is refused.
use crate::{
    error::StartError,
    table::{hooks::Level, store::Store},
};

pub(crate) struct Rates;

impl Rates {
    pub(crate) fn of(_: Option<&Store>) -> Result<Rates, StartError> {
        Ok(Rates)
    }

    pub(crate) fn are_in(_: &Level) -> bool {
        false
    }

    pub(crate) fn install(&self, _: &mut Level, _: &str) -> Result<(), StartError> {
        Ok(())
    }

    pub(crate) fn limit_route(&self, _: &mut Level, rate: Option<&str>, _: &str) -> Result<(), String> {
        match rate {
            None => Ok(()),
            Some(_) => Err("`limit` counts requests in the store: add the feature `store` of pixie-web".to_owned()),
        }
    }
}
