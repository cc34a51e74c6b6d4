//! Lets generated code ask whether a struct passes reads of unknown fields on to another by `Deref`.
//!
//! The inherent constant exists for types with `Deref` only and is preferred over the trait's; so `Reads::<T>::PASSED_ON` is
//! true or false without a bound that would have to hold.

use std::{marker::PhantomData, ops::Deref};

/// The question, asked of one type.
#[derive(Debug)]
pub struct Reads<T: ?Sized>(PhantomData<T>);

impl<T: Deref + ?Sized> Reads<T> {
    /// The type has `Deref`.
    pub const PASSED_ON: bool = true;
}

/// The answer for every other type.
pub trait PassesNothingOn {
    /// The type has no `Deref`.
    const PASSED_ON: bool = false;
}

impl<T: ?Sized> PassesNothingOn for Reads<T> {}
