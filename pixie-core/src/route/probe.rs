//! `Probe`: asks at compile time whether a type has a schema, or is an answer. Feature `openapi`.
//!
//! The compiler tries a method with fewer references first. So the methods of `Of…` apply to the types that
//! have the trait, and those of `Else…` to all others, and no handler needs a type with a schema.
use std::marker::PhantomData;

use utoipa::ToSchema;

use crate::{
    IntoResponse, Notes,
    notes::kept::{SchemaOf, type_schema},
};

/// Stands for a type in a question.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

#[doc(hidden)]
impl<T: ?Sized> Probe<T> {
    pub const HERE: Probe<T> = Probe(PhantomData);
}

#[doc(hidden)]
pub trait OfSchema {
    fn schema_of(&self) -> Option<SchemaOf>;
}

impl<T: ToSchema> OfSchema for Probe<T> {
    fn schema_of(&self) -> Option<SchemaOf> {
        Some(type_schema::<T>)
    }
}

#[doc(hidden)]
pub trait ElseSchema {
    fn schema_of(&self) -> Option<SchemaOf>;
}

impl<T: ?Sized> ElseSchema for &Probe<T> {
    fn schema_of(&self) -> Option<SchemaOf> {
        None
    }
}

#[doc(hidden)]
pub trait OfAnswer {
    fn describe(&self, notes: &mut Notes);
}

impl<T: IntoResponse> OfAnswer for Probe<T> {
    fn describe(&self, notes: &mut Notes) {
        T::describe(notes);
    }
}

#[doc(hidden)]
pub trait ElseAnswer {
    fn describe(&self, notes: &mut Notes);
}

impl<T: ?Sized> ElseAnswer for &Probe<T> {
    fn describe(&self, _: &mut Notes) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::needless_borrow,
        reason = "the macro borrows too, because the probe of a type without a schema needs it"
    )]
    fn a_probe_finds_a_schema_where_there_is_one() {
        struct Plain;
        assert!((&Probe::<u32>::HERE).schema_of().is_some());
        assert!((&Probe::<Vec<String>>::HERE).schema_of().is_some());
        assert!((&Probe::<Plain>::HERE).schema_of().is_none());
        assert!((&Probe::<Vec<Plain>>::HERE).schema_of().is_none());
    }
}
